/** Opens test/conformance/page.ts, bundled by Vite, in Chromium. */
import { createReadStream, existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium } from "playwright-core";
import { build } from "vite";
import { EXECUTABLE } from "../support/browser.ts";
import type { Page } from "./page.ts";

const FLAGS = [
  "--js-flags=--expose-gc",
  "--enable-precise-memory-info",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** On machines without a GPU, Chromium then computes WebGPU in software. */
const WEBGPU_FLAGS = ["--enable-unsafe-webgpu", "--enable-features=Vulkan"];

/** ONNX Runtime's own files, served as /ort/ besides the bundle. */
const ORT = fileURLToPath(new URL("../../node_modules/onnxruntime-web/dist", import.meta.url));

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

/** What threads in WebAssembly need. */
const ISOLATION = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

/** A page that was opened. */
export interface OpenPage {
  /** Calls a function of page.ts. */
  call<K extends keyof Page>(name: K, ...args: Parameters<Page[K]>): Promise<Awaited<ReturnType<Page[K]>>>;
  /** Runs a script in the page. */
  evaluate<T>(script: string): Promise<T>;
}

/** The bundled page on a local server, and the browsers that open it. */
export class Pages {
  readonly #folder: string;
  readonly #server: Server;
  /** With WebGPU and without: to start one takes seconds. */
  readonly #browsers = new Map<boolean, Promise<Browser>>();

  private constructor(folder: string, server: Server) {
    this.#folder = folder;
    this.#server = server;
  }

  static async create(): Promise<Pages> {
    const folder = mkdtempSync(join(tmpdir(), "convnets-page-"));
    await build({
      root: fileURLToPath(new URL(".", import.meta.url)),
      configFile: false,
      logLevel: "error",
      publicDir: false,
      worker: { format: "es" },
      build: {
        outDir: folder,
        target: "es2022",
        minify: false,
        rolldownOptions: {
          input: fileURLToPath(new URL("page.ts", import.meta.url)),
          output: { entryFileNames: "page.js" },
        },
      },
    });
    const server = serve(folder);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new Pages(folder, server);
  }

  /** A page with nothing in its caches. */
  async open({ webgpu = false, isolated = true } = {}): Promise<OpenPage> {
    const args = [...FLAGS, ...(webgpu ? WEBGPU_FLAGS : [])];
    const browser = this.#browsers.get(webgpu) ?? chromium.launch({ executablePath: EXECUTABLE, args });
    this.#browsers.set(webgpu, browser);
    const page = await (await browser).newPage();
    const { port } = this.#server.address() as AddressInfo;
    await page.goto(`http://127.0.0.1:${port}/${isolated ? "isolated" : "plain"}`);
    await page.waitForFunction("globalThis.conformance");
    return {
      call: (name, ...args) =>
        page.evaluate(
          ([name, args]) =>
            (globalThis as unknown as { conformance: Record<string, (...args: unknown[]) => never> }).conformance[
              name
            ]!(...args),
          [name, args] as const,
        ),
      evaluate: (script) => page.evaluate(script),
    };
  }

  async close(): Promise<void> {
    for (const browser of this.#browsers.values()) await (await browser).close();
    this.#server.close();
    rmSync(this.#folder, { recursive: true });
  }
}

function serve(folder: string): Server {
  return createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    if (path === "/isolated" || path === "/plain") {
      response.writeHead(200, { "Content-Type": TYPES[".html"], ...(path === "/isolated" && ISOLATION) });
      response.end('<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>');
      return;
    }
    const [root, name] = path.startsWith("/ort/") ? [ORT, path.slice(5)] : [folder, path];
    const file = join(root, name);
    if (!file.startsWith(root) || !existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "Content-Type": TYPES[extname(file)] ?? "application/octet-stream", ...ISOLATION });
    createReadStream(file).pipe(response);
  });
}
