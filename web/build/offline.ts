/** Writes the service worker that keeps the studio's files in the browser. */
import { createHash } from "node:crypto";
import type { Plugin } from "vite";

/** Files that only the one who asks for them gets. */
const LEFT_OUT = /\.(map|txt)$/;

/** ONNX Runtime, which is large: it is kept when it was loaded first. */
const ON_DEMAND = /ort-wasm[^/]*\.(wasm|mjs)$/;

/** Writes `offline.js`, which knows every file of the build and changes whenever one of them does. */
export function offline(): Plugin {
  return {
    name: "offline",
    apply: "build",
    enforce: "post",
    generateBundle(_, bundle) {
      const names = Object.keys(bundle).filter((name) => !LEFT_OUT.test(name));
      const hash = createHash("sha256");
      for (const name of names.sort()) {
        const file = bundle[name]!;
        hash.update(name).update(file.type === "chunk" ? file.code : file.source);
      }
      const files = names.filter((name) => !ON_DEMAND.test(name));
      const source = worker(["./", "icon.svg", ...files], hash.digest("hex").slice(0, 16));
      this.emitFile({ type: "asset", fileName: "offline.js", source });
    },
  };
}

/** Files come from the browser's storage; the page itself from the server while it can be reached, so that a new version shows. */
function worker(files: readonly string[], version: string): string {
  return `const CACHE = "convnets-${version}";
const FILES = ${JSON.stringify(files)};
const ON_DEMAND = ${ON_DEMAND};
self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)).then(() => self.skipWaiting()));
});
self.addEventListener("activate", (event) => {
  const old = (names) => names.filter((name) => name.startsWith("convnets-") && name !== CACHE);
  event.waitUntil(
    caches.keys().then((names) => Promise.all(old(names).map((name) => caches.delete(name)))).then(() => self.clients.claim()),
  );
});
self.addEventListener("message", (event) => {
  const keep = async (file, cache) => (await cache.match(file)) ?? cache.add(file);
  const files = event.data.keep.filter((file) => ON_DEMAND.test(file));
  // a full disk does not stop anybody from computing
  event.waitUntil(caches.open(CACHE).then((cache) => Promise.all(files.map((file) => keep(file, cache)))).catch(() => undefined));
});
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  const scope = new URL(self.registration.scope);
  if (request.method !== "GET" || url.origin !== scope.origin || url.pathname.startsWith(scope.pathname + "api/")) return;
  const kept = () => caches.match(request, { ignoreSearch: true, cacheName: CACHE });
  const load = async () => {
    const response = await fetch(request);
    if (response.ok && ON_DEMAND.test(url.pathname)) {
      const copy = response.clone();
      event.waitUntil(caches.open(CACHE).then((cache) => cache.put(request, copy)).catch(() => undefined));
    }
    return response;
  };
  event.respondWith(
    request.mode === "navigate"
      ? fetch(request).catch(() => caches.match("./", { cacheName: CACHE }))
      : kept().then((found) => found ?? load()),
  );
});
`;
}
