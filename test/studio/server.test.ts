/** What the studio's server gives to whom. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type StudioServer, serveStudio } from "../../src/studio/node/index.ts";
import { buildPage } from "./page.ts";

const root = mkdtempSync(join(tmpdir(), "convnets-studio-"));
const folder = join(root, "networks");
let server: StudioServer;

beforeAll(async () => {
  await buildPage();
  mkdirSync(join(folder, "inner", ".hidden"), { recursive: true });
  for (const [name, text] of [
    ["a.onnx", "network"],
    ["inner/b.safetensors", "weights"],
    ["inner/.hidden/c.onnx", "hidden"],
    ["notes.txt", "not a network"],
    ["../secret.onnx", "outside"],
  ] as const)
    writeFileSync(join(folder, name), text);
  symlinkSync(join(root, "secret.onnx"), join(folder, "link.onnx"));
  symlinkSync(join(folder, "notes.txt"), join(folder, "hidden.onnx"));
  mkdirSync(join(folder, "folder.onnx"));
  server = await serveStudio({ folder });
});
afterAll(async () => {
  await server?.close();
  rmSync(root, { recursive: true, force: true });
});

interface Answer {
  readonly status: number | undefined;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

/** A request as it is written, without the corrections that `fetch` makes. */
function ask(path: string, { method = "GET", ...headers }: Record<string, string> = {}): Promise<Answer> {
  return new Promise((done, failed) => {
    const asked = request({ host: "127.0.0.1", port: server.port, path, method, headers }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (chunk) => {
        body += chunk;
      });
      response.on("end", () => done({ status: response.statusCode, headers: response.headers, body }));
    });
    asked.on("error", failed).end();
  });
}

const token = () => ({ authorization: `Bearer ${server.token}` });
const file = (path: string) => `/api/file?path=${encodeURIComponent(path)}`;

describe("the page", () => {
  it("is served with what WebAssembly threads need, and a policy that allows no other host", async () => {
    const { status, headers, body } = await ask("/");
    expect(status).toBe(200);
    expect(body).toContain("convnets studio");
    expect(headers).toMatchObject({
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-embedder-policy": "require-corp",
      "x-content-type-options": "nosniff",
    });
    const policy = String(headers["content-security-policy"]);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/https?:|\*|'unsafe-eval'|script-src[^;]*'unsafe-inline'/);
  });

  it.each([
    "/../package.json",
    "/..%2f..%2fpackage.json",
    "/%2e%2e/%2e%2e/package.json",
    "/..\\..\\package.json",
    "//etc/passwd",
  ])("does not lead out of its folder: %s", async (path) => {
    const { status, body } = await ask(path);
    expect(status).toBe(404);
    expect(body).toBe("not found");
  });

  it("can only be read", async () => {
    expect((await ask("/", { method: "POST" })).status).toBe(405);
    expect((await ask("/api/files", { method: "POST", ...token() })).status).toBe(405);
    expect((await ask("/api/files", { method: "DELETE", ...token() })).status).toBe(405);
  });
});

describe("files", () => {
  it("lists the networks in the folder", async () => {
    const { status, body } = await ask("/api/files", token());
    expect(status).toBe(200);
    expect(JSON.parse(body)).toEqual([
      { name: "a.onnx", bytes: 7 },
      { name: "inner/b.safetensors", bytes: 7 },
    ]);
  });

  it("gives a network of the folder", async () => {
    expect(await ask(file("inner/b.safetensors"), token())).toMatchObject({ status: 200, body: "weights" });
  });

  it.each([
    "../secret.onnx",
    "inner/../../secret.onnx",
    "link.onnx",
    join(root, "secret.onnx"),
    "notes.txt",
    "none.onnx",
    "a.onnx\0.onnx",
    "folder.onnx",
    "hidden.onnx",
    "%2e%2e/secret.onnx",
    "",
  ])("gives nothing else: %j", async (path) => {
    const { status, body } = await ask(file(path), token());
    expect(status).toBe(404);
    expect(body).toBe("there is no such network in the folder");
  });

  it.each([{}, { authorization: "Bearer" }, { authorization: `Bearer ${"a".repeat(32)}` }])(
    "gives nothing without the token: %j",
    async (headers) => {
      for (const path of ["/api/files", file("a.onnx"), "/api/none"])
        expect((await ask(path, headers)).status).toBe(401);
    },
  );
});

describe("other pages and other names", () => {
  it("refuses requests of other origins, with the token too", async () => {
    for (const origin of ["https://example.com", "null", "http://localhost", `https://127.0.0.1:${server.port}`]) {
      expect((await ask("/api/files", { origin, ...token() })).status).toBe(403);
    }
    expect((await ask("/assets/a.js", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors" })).status).toBe(403);
  });

  it("refuses names that somebody pointed at this machine", async () => {
    for (const host of ["example.com", `example.com:${server.port}`, "127.0.0.1", `127.0.0.1:${server.port + 1}`])
      expect((await ask("/", { host })).status).toBe(403);
    expect((await ask("/", { host: `localhost:${server.port}` })).status).toBe(200);
  });
});

it("hands the token to the page in the part of the address that is never sent", () => {
  const { hash, search, hostname } = new URL(server.address({ net: "file:a.onnx" }));
  expect(hostname).toBe("127.0.0.1");
  expect(search).toBe("");
  expect(new URLSearchParams(hash.split("?")[1]).get("token")).toBe(server.token);
  expect(hash).toContain("net=file%3Aa.onnx");
});
