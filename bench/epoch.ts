/**
 * A whole epoch over a folder of images, from the start of the program to the last image of the validation: `convnets train` against
 * PyTorch with torchvision's reference recipe, in turn. Both decode in two workers and use all cores; PyTorch uses channels last.
 *
 *     npm run build && npx tsx bench/epoch.ts FOLDER [--only googlenet,resnet18] [--pairs N] [--batch N] [--workers N]
 *
 * The folder has train/ and val/, one subfolder per class. PYTHON_TORCH names the Python that has PyTorch.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string", default: "googlenet,resnet18" },
    pairs: { type: "string", default: "3" },
    batch: { type: "string", default: "32" },
    workers: { type: "string", default: "2" },
  },
});
const [folder] = positionals;
if (!folder) throw new Error("name a folder of images with train/ and val/");
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const python = process.env.PYTHON_TORCH ?? process.env.PYTHON ?? "/usr/bin/python3";

/** Seconds that a program takes, and what it prints. */
function timed(program: string, args: readonly string[]): { seconds: number; output: string } {
  const env = { ...process.env, NOTE_MODELS: process.env.NOTE_MODELS ?? here("../../shared/seed") };
  const start = performance.now();
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", env, maxBuffer: 2 ** 26 });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${status}: ${stderr}`);
  return { seconds: (performance.now() - start) / 1000, output: stdout };
}

function ours(network: string): number {
  const out = mkdtempSync(join(tmpdir(), "convnets-epoch-"));
  const settings = ["--epochs", "1", "--batch-size", values.batch, "--workers", values.workers];
  try {
    const args = ["train", network, "--data", folder!, ...settings, "--out", join(out, "run")];
    return timed(process.execPath, [here("../dist/bundle/cli/main.js"), ...args]).seconds;
  } finally {
    rmSync(out, { recursive: true });
  }
}

const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;
let version = "";
const rows: string[] = [];
for (const network of values.only.split(",")) {
  const pairs: [number, number][] = [];
  for (let i = 0; i < Number(values.pairs); i++) {
    const own = ours(network);
    const { seconds, output } = timed(python, [here("peers/epoch.py"), folder, network, values.batch, values.workers]);
    version = JSON.parse(output).version;
    pairs.push([own, seconds]);
    console.error(`${network}: ${own.toFixed(1)} s, PyTorch ${seconds.toFixed(1)} s; ${output.trim()}`);
  }
  const ratios = pairs.map(([own, peer]) => peer / own);
  const [a, b] = [0, 1].map((side) => median(pairs.map((pair) => pair[side]!)).toFixed(1));
  const [lowest, highest] = [Math.min(...ratios).toFixed(2), Math.max(...ratios).toFixed(2)];
  rows.push(`| ${network} | ${a} | ${b} | ${median(ratios).toFixed(2)} (${lowest} … ${highest}) |`);
}
console.log(`${cpus()[0]!.model}, ${cpus().length} cores, Node ${process.version.slice(1)}, PyTorch ${version}\n`);
console.log("| network | ours, s | PyTorch, s | PyTorch / ours |\n| --- | ---: | ---: | ---: |");
console.log(rows.join("\n"));
