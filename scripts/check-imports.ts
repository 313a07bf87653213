/**
 * Holds the source to the architecture: which folder may import which, and where Node may be imported. Run by `npm run check`.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SRC = join(ROOT, "src");

/** Folders that a folder may import, besides itself. Types count like everything else. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  graph: [],
  operators: ["graph"],
  passes: ["graph", "operators"],
  nn: ["graph", "operators", "random"],
  models: ["graph", "nn"],
  onnx: ["graph", "operators", "passes", "nn"],
  runtime: ["graph", "operators", "passes", "onnx"],
  summary: ["graph", "operators", "nn"],
  draw: ["graph", "operators", "nn", "models"],
  optim: ["graph", "operators"],
  data: ["graph", "random"],
  checkpoint: ["graph"],
  pretrained: ["graph", "nn", "models", "data"],
  infer: ["graph", "passes", "nn", "runtime"],
  train: ["graph", "operators", "passes", "nn", "runtime", "infer", "optim", "data", "random"],
  report: ["graph", "train", "version"],
  runs: [
    ...[
      "graph",
      "operators",
      "passes",
      "nn",
      "models",
      "onnx",
      "runtime",
      "summary",
      "draw",
      "optim",
      "data",
      "checkpoint",
    ],
    ...["pretrained", "train", "report", "random", "version"],
  ],
  classify: ["graph", "nn", "models", "onnx", "runtime", "infer", "data", "checkpoint", "train", "runs", "pretrained"],
};
/** Entries and commands may import everything. */
const FREE = new Set(["cli", "index", "node", "web", "random", "version"]);

/** Lines of a file at most. */
const MAX_LINES = 400;

/** Where Node's modules and packages that need Node may be imported: in `node` folders, and in the command line. */
const NODE_ALLOWED = /^(node\.ts|cli\/.*|[^/]+\/node\/.*)$/;
const NODE_PACKAGES = new Set(["onnxruntime-node", "sharp", "commander", "modern-tar"]);

function* sources(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (entry.name.endsWith(".ts")) yield path;
  }
}

/** First part of a path below src, without ".ts". */
const part = (path: string) => relative(SRC, path).split(/[/\\]/)[0]!.replace(/\.ts$/, "");

const problems: string[] = [];

function checkLength(file: string): void {
  const lines = readFileSync(file, "utf8").split("\n").length - 1;
  if (lines > MAX_LINES)
    problems.push(`${relative(ROOT, file)} has ${lines} lines; split it, at most ${MAX_LINES} go in a file`);
}

for (const file of sources(join(ROOT, "test"))) checkLength(file);
for (const file of sources(SRC)) {
  checkLength(file);
  const name = relative(SRC, file).replaceAll("\\", "/");
  for (const [, target = ""] of readFileSync(file, "utf8").matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)) {
    if (target.startsWith(".")) {
      const [from, to] = [part(file), part(resolve(dirname(file), target))];
      const door = relative(SRC, resolve(dirname(file), target)).replaceAll("\\", "/");
      if (from !== to && !/^([^/]+|[^/]+\/(node\/)?index\.ts|runtime\/web\.ts)$/.test(door))
        problems.push(`src/${name} imports ${door}, past the index of ${to}`);
      if (from !== to && !FREE.has(from) && !MAY_IMPORT[from]?.includes(to)) {
        problems.push(`src/${name} imports ${to}; ${from} may import ${MAY_IMPORT[from]?.join(", ") || "nothing"}`);
      }
    } else if ((target.startsWith("node:") || NODE_PACKAGES.has(target)) && !NODE_ALLOWED.test(name)) {
      problems.push(`src/${name} imports ${target}; only node folders and cli may`);
    }
  }
}
if (problems.length > 0) {
  console.error(problems.join("\n"));
  process.exit(1);
}
