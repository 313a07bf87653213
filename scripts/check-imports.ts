/**
 * Holds the source to the architecture: which folder may import which, where Node may be imported, and that no files import each other
 * in a circle. Run by `npm run check`.
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
  tfjs: ["graph", "operators", "passes", "nn", "onnx", "checkpoint"],
  runtime: ["graph", "operators", "passes", "onnx"],
  summary: ["graph", "operators", "nn"],
  draw: ["graph", "operators", "nn", "models"],
  optim: ["graph", "operators"],
  data: ["graph", "random", "checkpoint"],
  checkpoint: ["graph"],
  pretrained: ["graph", "nn", "models", "data"],
  cluster: ["graph"],
  infer: ["graph", "passes", "nn", "runtime", "random"],
  train: ["graph", "operators", "passes", "nn", "runtime", "infer", "optim", "data", "cluster", "random"],
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
    ...["pretrained", "cluster", "train", "report", "random", "version"],
  ],
  studio: [],
  classify: [
    "graph",
    "nn",
    "models",
    "onnx",
    "tfjs",
    "runtime",
    "infer",
    "data",
    "checkpoint",
    "train",
    "runs",
    "pretrained",
  ],
};
/** Entries and commands may import everything. */
const FREE = new Set(["cli", "index", "node", "web", "random", "version", "package"]);
/** What every folder may import. */
const COMMON = new Set(["package"]);

/** Lines of a file at most. */
const MAX_LINES = 400;

/** Where Node's modules and packages that need Node may be imported: in `node` folders, and in the command line. */
const NODE_ALLOWED = /^(node\.ts|cli\/.*|[^/]+\/node\/.*)$/;
const NODE_PACKAGES = new Set(["onnxruntime-node", "sharp", "commander", "modern-tar", "sirv", "koffi"]);

/**
 * Files that may know each other's types, though not import each other's values: each of these groups is one thing that is too long for
 * one file. A gradient rule is written with `Ops`, and `Ops` infers shapes by the rules. A tensor belongs to a trace, a trace calls modules,
 * and modules take tensors.
 */
const TOGETHER: readonly RegExp[] = [/^operators\//, /^nn\/(module|parameter|print|tensor|tracer)\.ts$/];

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
/** What each file imports, and of that what it imports values of. */
const imported = new Map<string, { readonly all: string[]; readonly values: string[] }>();

function checkLength(file: string): void {
  const lines = readFileSync(file, "utf8").split("\n").length - 1;
  if (lines > MAX_LINES)
    problems.push(`${relative(ROOT, file)} has ${lines} lines; split it, at most ${MAX_LINES} go in a file`);
}

for (const file of sources(join(ROOT, "test"))) checkLength(file);
for (const file of sources(SRC)) {
  checkLength(file);
  const name = relative(SRC, file).replaceAll("\\", "/");
  imported.set(name, importsOf(file));
  for (const [, target = ""] of readFileSync(file, "utf8").matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)) {
    if (target.startsWith(".")) {
      const [from, to] = [part(file), part(resolve(dirname(file), target))];
      const door = relative(SRC, resolve(dirname(file), target)).replaceAll("\\", "/");
      if (from !== to && !/^([^/]+|[^/]+\/(node\/)?index\.ts|runtime\/web\.ts)$/.test(door))
        problems.push(`src/${name} imports ${door}, past the index of ${to}`);
      if (from !== to && !FREE.has(from) && !COMMON.has(to) && !MAY_IMPORT[from]?.includes(to)) {
        problems.push(`src/${name} imports ${to}; ${from} may import ${MAY_IMPORT[from]?.join(", ") || "nothing"}`);
      }
    } else if ((target.startsWith("node:") || NODE_PACKAGES.has(target)) && !NODE_ALLOWED.test(name)) {
      problems.push(`src/${name} imports ${target}; only node folders and cli may`);
    }
  }
}
const together = (path: readonly string[]) => TOGETHER.some((group) => path.every((file) => group.test(file)));
for (const circle of circles((file) => imported.get(file)?.values ?? []))
  problems.push(`these files import each other: ${circle.join(" → ")}`);
for (const circle of circles((file) => imported.get(file)?.all ?? []))
  if (!together(circle)) problems.push(`these files import each other's types: ${circle.join(" → ")}`);

/** Files that a file imports, relative to src. `import type` imports no values. */
function importsOf(file: string): { all: string[]; values: string[] } {
  const [all, values]: [string[], string[]] = [[], []];
  const statements = readFileSync(file, "utf8").matchAll(/^(?:import|export)\s(type\s)?[^;"']*?from\s+"(\.[^"]+)";/gm);
  for (const [, type, target = ""] of statements) {
    const name = relative(SRC, resolve(dirname(file), target)).replaceAll("\\", "/");
    all.push(name);
    if (!type) values.push(name);
  }
  return { all, values };
}

/** Groups of files each of which leads to every other, with a way around. */
function circles(next: (file: string) => readonly string[]): string[][] {
  const reach = new Map<string, Set<string>>();
  const from = (start: string) => {
    const found = reach.get(start) ?? new Set<string>();
    if (reach.has(start)) return found;
    reach.set(start, found);
    const waiting = [...next(start)];
    for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
      if (found.has(file)) continue;
      found.add(file);
      waiting.push(...next(file));
    }
    return found;
  };
  const files = [...imported.keys()].filter((file) => from(file).has(file));
  const groups = files.map((file) => files.filter((other) => from(file).has(other) && from(other).has(file)));
  return groups.filter(([first], i) => first === files[i]);
}

if (problems.length > 0) {
  console.error(problems.join("\n"));
  process.exit(1);
}
