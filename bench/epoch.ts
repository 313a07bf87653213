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

interface Run {
  readonly seconds: number;
  /** Peak of the process in bytes; of PyTorch without its workers, which are processes of their own. */
  readonly memory: number;
}

/** Seconds that a program takes, and what it prints. */
function timed(program: string, args: readonly string[]): { seconds: number; output: string; errors: string } {
  const env = { ...process.env, NOTE_MODELS: process.env.NOTE_MODELS ?? here("../../shared/seed") };
  const start = performance.now();
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", env, maxBuffer: 2 ** 26 });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${status}: ${stderr}`);
  return { seconds: (performance.now() - start) / 1000, output: stdout, errors: stderr };
}

/** A module that prints the peak of memory in kB at the end. */
const PEAK = 'data:text/javascript,process.on("exit",()=>console.error("peak",process.resourceUsage().maxRSS))';

function ours(network: string): Run {
  const out = mkdtempSync(join(tmpdir(), "convnets-epoch-"));
  const settings = ["--epochs", "1", "--batch-size", values.batch, "--workers", values.workers];
  try {
    const args = ["train", network, "--data", folder!, ...settings, "--out", join(out, "run")];
    const { seconds, errors } = timed(process.execPath, [
      "--import",
      PEAK,
      here("../dist/bundle/cli/main.js"),
      ...args,
    ]);
    return { seconds, memory: 1024 * Math.max(...[...errors.matchAll(/^peak (\d+)$/gm)].map(([, kB]) => Number(kB))) };
  } finally {
    rmSync(out, { recursive: true });
  }
}

function pytorch(network: string): Run & { readonly version: string } {
  const { seconds, output } = timed(python, [here("peers/epoch.py"), folder!, network, values.batch, values.workers]);
  return { ...JSON.parse(output), seconds };
}

const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;
const megabytes = (runs: readonly Run[]) => Math.round(Math.max(...runs.map(({ memory }) => memory)) / 1e6);
let version = "";
const rows: string[] = [];
for (const network of values.only.split(",")) {
  const own: Run[] = [];
  const peer: Run[] = [];
  for (let i = 0; i < Number(values.pairs); i++) {
    own.push(ours(network));
    const theirs = pytorch(network);
    peer.push(theirs);
    version = theirs.version;
    console.error(`${network}: ${own.at(-1)!.seconds.toFixed(1)} s, PyTorch ${theirs.seconds.toFixed(1)} s`);
  }
  const ratios = own.map(({ seconds }, i) => peer[i]!.seconds / seconds);
  const [a, b] = [own, peer].map((runs) => median(runs.map(({ seconds }) => seconds)).toFixed(1));
  const [lowest, highest] = [Math.min(...ratios).toFixed(2), Math.max(...ratios).toFixed(2)];
  const memory = [own, peer].map(megabytes).join(" / ");
  rows.push(`| ${network} | ${a} | ${b} | ${median(ratios).toFixed(2)} (${lowest} … ${highest}) | ${memory} |`);
}
console.log(`${cpus()[0]!.model}, ${cpus().length} cores, Node ${process.version.slice(1)}, PyTorch ${version}\n`);
console.log("| network | ours, s | PyTorch, s | PyTorch / ours | MB ours / PyTorch |");
console.log("| --- | ---: | ---: | ---: | ---: |");
console.log(rows.join("\n"));
