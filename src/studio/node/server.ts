import { randomBytes, timingSafeEqual } from "node:crypto";
import { existsSync, type ReadStream, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import sirv from "sirv";
import { PACKAGE } from "../../package.ts";
import { Api } from "./api.ts";
import { OrderError, type TrainingOptions, Trainings } from "./trainings.ts";

/** Options of `serveStudio`. */
export interface StudioOptions {
  /** The folder whose networks and runs the page may open. Nothing outside it is served. */
  readonly folder: string;
  /** What the page may train in the folder. Default: nothing. */
  readonly train?: TrainingOptions;
  /** Default: one that is free. */
  readonly port?: number;
}

/** What the page shows first. */
export interface StudioView {
  readonly net?: string;
  readonly panel?: string;
  /** Names of runs in the folder. */
  readonly runs?: readonly string[];
}

/** The studio while it is served. */
export interface StudioServer {
  readonly port: number;
  /** The secret that the page needs to read files. */
  readonly token: string;
  /** The address to open, with the token; it may name the network and the panel that are shown first, and a run. */
  address(show?: StudioView): string;
  /** Ends the server and the trainings that it started, which save themselves. */
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

/** Where the build puts the page. */
function pageFolder(): string {
  const folder = fileURLToPath(`${PACKAGE}dist/studio/web/`);
  if (!existsSync(`${folder}index.html`)) throw new Error("the studio's page is not built; run npm run build");
  return folder;
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
export async function serveStudio({ folder, port = 0, train }: StudioOptions): Promise<StudioServer> {
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
  const trainings = train && new Trainings(folder, train);
  const api = new Api(folder, trainings);
  const server = createServer((request, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (!isOurs(request)) return refuse(response, 403, "this address is for the studio's own page on this machine");
    const url = new URL(request.url ?? "/", `http://${HOST}`);
    const isReading = request.method === "GET" || request.method === "HEAD";
    const isOrder = request.method === "POST" && ORDERS.has(url.pathname);
    if (!isReading && !isOrder) return refuse(response, 405, "only reading is possible");
    if (!url.pathname.startsWith("/api/")) return page(request, response, () => refuse(response, 404, "not found"));
    if (!hasToken(request, token))
      return refuse(response, 401, "the token is missing or wrong; open the address that convnets studio printed");
    answer(url, api, request, response).catch((error: Error) =>
      refuse(response, error instanceof OrderError ? 400 : 500, error.message),
    );
  });
  await new Promise<void>((done, failed) => {
    server.once("error", failed);
    server.listen(port, HOST, done);
  });
  const { port: actual } = server.address() as AddressInfo;
  return {
    port: actual,
    token,
    address: ({ net, panel = "explore", runs } = {}) => {
      const shown = runs?.map(encodeURIComponent).join(",");
      const query = new URLSearchParams({
        ...(net !== undefined && { net }),
        ...(shown !== undefined && { runs: shown }),
        token,
      });
      return `http://${HOST}:${actual}/#/${panel}?${query}`;
    },
    async close() {
      const closed = new Promise<void>((done) => {
        server.close(() => done());
        server.closeAllConnections();
      });
      await Promise.all([closed, trainings?.close()]);
    },
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

/** What changes something, and wants more than a link: a POST with the token. */
const ORDERS = new Set(["/api/start", "/api/resume", "/api/stop"]);

/** Bytes of an order at most. */
const MOST = 16_384;

/** Answers what the page asks for beyond its own files. */
async function answer(url: URL, api: Api, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.setHeader("Cache-Control", "no-store");
  const text = (name: string) => url.searchParams.get(name) ?? "";
  const json = (value: unknown, missing = "not found") => {
    if (value === undefined) return refuse(response, 404, missing);
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(value));
  };
  const noRun = "there is no such run in the folder";
  const isOrder = request.method === "POST";
  switch (`${isOrder ? "POST " : ""}${url.pathname}`) {
    case "/api/files":
      return json(await api.files());
    case "/api/file":
      return send(api.file(text("path")), "there is no such network in the folder", request, response);
    case "/api/runs":
      return json(await api.runs());
    case "/api/run":
      return json(await api.measurements(text("run"), Number(text("after")) || 0), noRun);
    case "/api/report":
      return send(api.report(text("run")), "this run has no report", request, response);
    case "/api/choices":
      return json(await api.choices());
    case "POST /api/start":
      return json(await api.start(await orderOf(request)), "this server starts no trainings");
    case "POST /api/resume":
      return json(await api.resume(text("run")), noRun);
    case "POST /api/stop":
      return json(api.stop(text("run")), noRun);
    default:
      return refuse(response, 404, "not found");
  }
}

/** Sends a file as bytes, whatever is in it. */
function send(
  file: { readonly bytes: number; open(): ReadStream } | undefined,
  missing: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (!file) return void refuse(response, 404, missing);
  response.setHeader("Content-Type", "application/octet-stream");
  response.setHeader("Content-Length", file.bytes);
  if (request.method === "HEAD") return void response.end();
  file
    .open()
    .on("error", () => response.destroy())
    .pipe(response);
}

/** The JSON in the body of a request. */
async function orderOf(request: IncomingMessage): Promise<unknown> {
  if (!/^application\/json\b/.test(request.headers["content-type"] ?? ""))
    throw new OrderError("an order has to be JSON");
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).length;
    if (bytes > MOST) throw new OrderError(`an order has at most ${MOST} bytes`);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    throw new OrderError("an order has to be JSON");
  }
}
