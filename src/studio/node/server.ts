import { randomBytes, timingSafeEqual } from "node:crypto";
import { createReadStream, existsSync, readFileSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import sirv from "sirv";
import { fileWithin, listFiles } from "./files.ts";

/** Options of `serveStudio`. */
export interface StudioOptions {
  /** The folder whose networks the page may open. Nothing outside it is served. */
  readonly folder: string;
  /** Default: one that is free. */
  readonly port?: number;
}

/** The studio while it is served. */
export interface StudioServer {
  readonly port: number;
  /** The secret that the page needs to read files. */
  readonly token: string;
  /** The address to open, with the token; `net` names what is shown first. */
  address(net?: string): string;
  close(): Promise<void>;
}

const HOST = "127.0.0.1";

const HEADERS = {
  // what threads in WebAssembly need
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
} as const;

/** Where the build puts the page: next to this folder, or, when the sources run, in dist. */
function pageFolder(): string {
  const folders = ["../web/", "../../../dist/studio/web/"].map((path) => fileURLToPath(new URL(path, import.meta.url)));
  const found = folders.find((folder) => existsSync(`${folder}index.html`));
  if (found === undefined) throw new Error("the studio's page is not built; run npm run build");
  return found;
}

/** The policy that the page itself states: it loads nothing from elsewhere, and sends nothing anywhere. No other page may frame it. */
function policyOf(folder: string): string {
  const html = readFileSync(`${folder}index.html`, "utf8");
  const stated = /http-equiv="Content-Security-Policy"\s+content="([^"]+)"/.exec(html)?.[1];
  if (stated === undefined) throw new Error("the studio's page states no content security policy; build it again");
  return `${stated}; frame-ancestors 'none'`;
}

/**
 * Serves the studio on this machine only, and the networks of a folder to its page. Requests for other hosts, from other pages, and
 * for files without the token are refused.
 */
export async function serveStudio({ folder, port = 0 }: StudioOptions): Promise<StudioServer> {
  const token = randomBytes(24).toString("base64url");
  const files = pageFolder();
  const headers = { ...HEADERS, "Content-Security-Policy": policyOf(files) };
  const page = sirv(files, {
    etag: true,
    setHeaders: (response, path) => {
      // names of assets change with their content
      const isFixed = path.startsWith("/assets/");
      response.setHeader("Cache-Control", isFixed ? "public, max-age=31536000, immutable" : "no-cache");
    },
  });
  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (!isOurs(request)) return refuse(response, 403, "this address is for the studio's own page on this machine");
    if (request.method !== "GET" && request.method !== "HEAD") return refuse(response, 405, "only reading is possible");
    const url = new URL(request.url ?? "/", `http://${HOST}`);
    if (!url.pathname.startsWith("/api/")) return page(request, response, () => refuse(response, 404, "not found"));
    if (!hasToken(request, token))
      return refuse(response, 401, "the token is missing or wrong; open the address that convnets studio printed");
    answer(url, folder, request, response).catch((error: Error) => refuse(response, 500, error.message));
  });
  await new Promise<void>((done, failed) => {
    server.once("error", failed);
    server.listen(port, HOST, done);
  });
  const { port: actual } = server.address() as AddressInfo;
  return {
    port: actual,
    token,
    address: (net) => {
      const query = new URLSearchParams({ ...(net !== undefined && { net }), token });
      return `http://${HOST}:${actual}/#/explore?${query}`;
    },
    close: () =>
      new Promise<void>((done, failed) => {
        server.close((error) => (error ? failed(error) : done()));
        server.closeAllConnections();
      }),
  };
}

/** Whether a request is for this machine by name, and comes from the studio's own page. Other names may be an attack by DNS. */
function isOurs({ headers, socket }: IncomingMessage): boolean {
  const names = [HOST, "localhost"].map((name) => `${name}:${socket.localPort}`);
  if (!names.includes(headers.host ?? "")) return false;
  if (headers.origin !== undefined && headers.origin !== `http://${headers.host}`) return false;
  const site = headers["sec-fetch-site"];
  return site === undefined || site === "same-origin" || site === "none" || headers["sec-fetch-mode"] === "navigate";
}

function hasToken({ headers }: IncomingMessage, token: string): boolean {
  const given = Buffer.from(headers.authorization ?? "");
  const wanted = Buffer.from(`Bearer ${token}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

function refuse(response: ServerResponse, status: number, message: string): void {
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store" }).end(message);
}

/** What the page asks for beyond its own files; docs/studio.md lists it. */
async function answer(url: URL, folder: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.setHeader("Cache-Control", "no-store");
  if (url.pathname === "/api/files") {
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(await listFiles(folder)));
    return;
  }
  const file = url.pathname === "/api/file" ? fileWithin(folder, url.searchParams.get("path") ?? "") : undefined;
  if (file === undefined) return refuse(response, 404, "there is no such network in the folder");
  response.setHeader("Content-Type", "application/octet-stream");
  response.setHeader("Content-Length", statSync(file).size);
  if (request.method === "HEAD") return void response.end();
  createReadStream(file)
    .on("error", () => response.destroy())
    .pipe(response);
}
