/**
 * Copies the files of ONNX Runtime that Node needs from node_modules into vendor/, which the package ships. `npm pack` and
 * `npm publish` run it. docs/dependencies.md says why the package does not depend on onnxruntime-node instead.
 *
 *     tsx scripts/vendor.ts           all platforms; with CONVNETS_VENDOR=this, only this machine's
 *     tsx scripts/vendor.ts --clean   removes vendor/
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const VENDOR = join(ROOT, "vendor");

/** Files of each package. `skip` says which of them stay out, and why. */
const PACKAGES: Readonly<Record<string, { main: string; files: RegExp; skip: RegExp }>> = {
  "onnxruntime-node": {
    main: "dist/index.js",
    files: /^(dist\/.*\.js|bin\/.*)$/,
    // the second copy of macOS's library, which nothing loads; DirectML, which only the execution provider of that name loads
    skip: /\/(libonnxruntime\.\d+\.\d+\.\d+\.dylib|DirectML\.dll)$/,
  },
  "onnxruntime-web": {
    main: "dist/ort.node.min.js",
    // the .wasm file is that of the studio's page
    files: /^dist\/(ort\.node\.min\.js|ort-wasm-simd-threaded\.mjs)$/,
    skip: /$^/,
  },
};

/** Native builds of other platforms, which are left out of a package for this machine only. */
const elsewhere = (path: string) =>
  process.env.CONVNETS_VENDOR === "this" &&
  path.startsWith("bin/") &&
  !path.includes(`/${process.platform}/${process.arch}/`);

function* filesBelow(folder: string, prefix = ""): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = prefix + entry.name;
    if (entry.isDirectory()) yield* filesBelow(join(folder, entry.name), `${path}/`);
    else yield path;
  }
}

rmSync(VENDOR, { recursive: true, force: true });
if (!process.argv.includes("--clean")) {
  for (const [name, { main, files, skip }] of Object.entries(PACKAGES)) {
    const from = join(ROOT, "node_modules", name);
    const wanted = [...filesBelow(from)].filter((path) => files.test(path) && !skip.test(path) && !elsewhere(path));
    if (!wanted.includes(main)) throw new Error(`${from} has no ${main}; run npm ci`);
    for (const path of wanted) {
      const to = join(VENDOR, name, path);
      mkdirSync(dirname(to), { recursive: true });
      if (path.endsWith(".js")) writeFileSync(to, withoutMap(readFileSync(join(from, path), "utf8")));
      else cpSync(join(from, path), to);
    }
    const { version, license, repository } = JSON.parse(readFileSync(join(from, "package.json"), "utf8"));
    // a manifest of its own, so that Node reads the .js files as CommonJS
    const manifest = { name, version, private: true, type: "commonjs", license, repository, main };
    writeFileSync(join(VENDOR, name, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
    console.error(`${basename(VENDOR)}/${name} ${version}: ${wanted.length} files`);
  }
}

/** Without the reference to a source map, which is not copied. */
function withoutMap(code: string): string {
  return code.replace(/\n\/\/# sourceMappingURL=\S+\s*$/, "\n");
}
