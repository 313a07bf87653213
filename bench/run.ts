/**
 * Times convnets against the peers found on the machine: ours, theirs, ours, theirs, … and the ratio of each pair, so that a
 * machine whose speed drifts harms neither.
 *
 *     npm run bench -- [--only WORD] [--pairs N] [--json]
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CASES, type Case, nameOf } from "./cases.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    pairs: { type: "string", default: "9" },
    json: { type: "boolean", default: false },
  },
});
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const node = (file: string) => [process.execPath, "--import", "tsx", here(`peers/${file}`)];
const PEERS = {
  PyTorch: [process.env.PYTHON ?? "/usr/bin/python3", here("peers/pytorch.py")],
  "onnxruntime-web": node("onnxruntime-web.ts"),
} as const satisfies Record<string, readonly string[]>;

interface Peer {
  /** Milliseconds of one run. */
  go(): Promise<number>;
  /** Ends the process; its peak memory in bytes. */
  end(): Promise<number>;
}

/** Starts a peer on a case; undefined where it cannot do it. */
async function start([command = "", ...args]: readonly string[], given: Case): Promise<Peer | undefined> {
  const env = { ...process.env, NOTE_MODELS: process.env.NOTE_MODELS ?? here("../../shared/seed") };
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"], env });
  child.on("error", () => {});
  child.stdin.on("error", () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  child.stdin.write(`${JSON.stringify(given)}\n`);
  if ((await lines.next()).value !== "ready") {
    child.kill();
    return undefined;
  }
  return {
    async go() {
      child.stdin.write("go\n");
      return Number((await lines.next()).value);
    },
    async end() {
      child.stdin.end();
      return Number((await lines.next()).value);
    },
  };
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

const results = [];
if (!values.json)
  console.log(
    "case                                  peer              ours ms   peer ms   peer / ours  [min … max]   memory ours, peer",
  );
for (const given of CASES.filter((one) => nameOf(one).includes(values.only ?? ""))) {
  for (const [name, command] of Object.entries(PEERS)) {
    const [ours, peer] = [await start(node("convnets.ts"), given), await start(command, given)];
    if (!ours || !peer) {
      await Promise.all([ours?.end(), peer?.end()]);
      continue;
    }
    // engines plan memory and pack weights in their first runs
    for (let i = 0; i < 2; i++) await ours.go().then(() => peer.go());
    const pairs: [number, number][] = [];
    for (let i = 0; i < Number(values.pairs); i++) pairs.push([await ours.go(), await peer.go()]);
    const memory = [await ours.end(), await peer.end()];
    const ratios = pairs.map(([a, b]) => b / a);
    const result = {
      case: nameOf(given),
      peer: name,
      ours: median(pairs.map(([a]) => a)),
      theirs: median(pairs.map(([, b]) => b)),
      ratio: median(ratios),
      min: Math.min(...ratios),
      max: Math.max(...ratios),
      memory,
    };
    results.push(result);
    if (values.json) continue;
    const megabytes = memory.map((bytes) => `${Math.round(bytes / 1e6)} MB`).join(", ");
    console.log(
      `${result.case.padEnd(36)}  ${name.padEnd(16)} ${result.ours.toFixed(1).padStart(8)}  ${result.theirs.toFixed(1).padStart(8)}  ${result.ratio.toFixed(2).padStart(10)}×  [${result.min.toFixed(2)} … ${result.max.toFixed(2)}]  ${megabytes}`,
    );
  }
}
if (values.json) console.log(JSON.stringify(results, null, 2));
