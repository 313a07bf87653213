/**
 * Times convnets against the peers found on the machine: ours, theirs, ours, theirs, … and the ratio of each pair, so that a
 * machine whose speed drifts harms neither.
 *
 *     npm run bench -- [--only WORD] [--peers WORD,…] [--pairs N] [--threads N] [--json | --markdown]
 *
 * `--only` picks the cases whose names hold a word, `--peers` the peers whose names are listed. Each side has as many threads as there are
 * cores, or N.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CASES, type Case, nameOf } from "./cases.ts";
import { environment, markdown } from "./report.ts";
import { median, PYTHON, start } from "./side.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    peers: { type: "string", default: "" },
    pairs: { type: "string", default: "5" },
    threads: { type: "string", default: "" },
    json: { type: "boolean", default: false },
    markdown: { type: "boolean", default: false },
  },
});
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const node = (file: string, ...options: string[]) => [process.execPath, ...options, here(`peers/${file}`)];
const pytorch = (...modes: string[]) => [PYTHON, here("peers/pytorch.py"), ...modes];

/** PyTorch in every mode it has, ONNX Runtime by itself, and what JavaScript had before. */
const PEERS: Readonly<Record<string, readonly string[]>> = {
  "PyTorch eager": pytorch(),
  "PyTorch channels_last": pytorch("channels_last"),
  "PyTorch compile": pytorch("compile"),
  "PyTorch compile channels_last": pytorch("compile", "channels_last"),
  "PyTorch jit frozen": pytorch("jit"),
  "PyTorch bfloat16": pytorch("bf16", "channels_last"),
  "ONNX Runtime": node("onnxruntime.mjs"),
  "onnxruntime-web": node("onnxruntime-web.ts", "--import", "tsx"),
};

/** A peer's times beside ours, in one case. */
export interface Result {
  readonly case: string;
  readonly peer: string;
  /** Milliseconds, medians. */
  readonly ours: number;
  readonly theirs: number;
  /** Median, smallest and largest of the pairs' theirs / ours. */
  readonly ratio: number;
  readonly min: number;
  readonly max: number;
  /** Peak memory of the processes in bytes. */
  readonly ourMemory: number;
  readonly theirMemory: number;
}

/** A case against one peer; undefined where the peer cannot do it. */
async function compare(given: Case, name: string, command: readonly string[]): Promise<Result | undefined> {
  const theirs = await start(command, given, values.threads);
  if (!theirs) return undefined;
  const ours = (await start(node("convnets.mjs"), given, values.threads))!;
  // engines plan memory and pack weights in their first runs
  for (let i = 0; i < 2; i++) await ours.go().then(() => theirs.go());
  const pairs: [number, number][] = [];
  for (let i = 0; i < Number(values.pairs); i++) pairs.push([await ours.go(), await theirs.go()]);
  const ratios = pairs.map(([a, b]) => b / a);
  return {
    case: nameOf(given),
    peer: name,
    ours: median(pairs.map(([a]) => a)),
    theirs: median(pairs.map(([, b]) => b)),
    ratio: median(ratios),
    min: Math.min(...ratios),
    max: Math.max(...ratios),
    ourMemory: await ours.end(),
    theirMemory: await theirs.end(),
  };
}

const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;

const line = ({ case: name, peer, ours, theirs, ratio, min, max, ourMemory, theirMemory }: Result) =>
  [
    `${name.padEnd(36)}  ${peer.padEnd(30)} ${ours.toFixed(1).padStart(8)}  ${theirs.toFixed(1).padStart(8)}  `,
    `${ratio.toFixed(2).padStart(10)}×  [${min.toFixed(2)} … ${max.toFixed(2)}]  ${megabytes(ourMemory)}, ${megabytes(theirMemory)}`,
  ].join("");

const about = environment(PYTHON, Number(values.threads) || undefined);
if (!values.json)
  console.log(
    `${about}\n\ncase                                  peer                            ours ms   peer ms  peer / ours  [min … max]   memory ours, peer`,
  );
const results: Result[] = [];
const wanted = values.peers === "" ? Object.keys(PEERS) : values.peers.split(",").map((name) => name.trim());
for (const name of wanted) {
  if (!(name in PEERS)) throw new Error(`--peers: there is no peer "${name}", only ${Object.keys(PEERS).join("; ")}`);
}
for (const given of CASES.filter((one) => nameOf(one).includes(values.only))) {
  for (const name of wanted) {
    const result = await compare(given, name, PEERS[name]!);
    if (!result) continue;
    results.push(result);
    if (!values.json) console.log(line(result));
  }
}
if (values.json) console.log(JSON.stringify({ environment: about, results }, null, 2));
if (values.markdown) {
  const file = here("../docs/benchmarks.md");
  const command = `npm run bench -- ${values.only && `--only "${values.only}" `}${values.peers && `--peers "${values.peers}" `}--pairs ${values.pairs} ${values.threads && `--threads ${values.threads} `}--markdown`;
  writeFileSync(file, markdown(readFileSync(file, "utf8"), { about, command, only: values.only, results }));
  spawnSync("npx", ["biome", "format", "--write", file], { stdio: "inherit" });
}
