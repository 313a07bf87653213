/**
 * Bundles tsc's output for Node into dist/bundle: loading hundreds of modules delays the start of every command. Bundlers use the single
 * files, because they can drop the ones that a program does not need.
 */
import { readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const { exports, bin } = JSON.parse(readFileSync(root("package.json"), "utf8"));

const targets = [...Object.values(exports).map(({ node }) => node), bin.convnets].filter(Boolean);
/** The threads that the library starts, and the commands, of which tests run many in one process. */
const OTHERS = ["data/node/worker.js", "cluster/node/worker.js", "tfjs/node/hdf5-worker.js", "cli/program.js"];
await build({
  entryPoints: [...targets.map((target) => target.replace(/^(\.\/)?dist\/bundle\//, "")), ...OTHERS].map((name) =>
    root(`dist/${name}`),
  ),
  outdir: root("dist/bundle"),
  outbase: root("dist"),
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  packages: "external",
  legalComments: "none",
  logLevel: "warning",
});
// the command works with networks that people import from "convnets", which in Node is the bundle
rmSync(root("dist/cli"), { recursive: true });
