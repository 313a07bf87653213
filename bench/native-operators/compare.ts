/** Times the native step against the product's and PyTorch's, in turn, each in a process of its own. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Case, Network } from "../cases.ts";
import { environment } from "../report.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const node = (file: string) => [process.execPath, "--import", "tsx", here(file)];
const python = process.env.PYTHON_TORCH ?? process.env.PYTHON ?? "/usr/bin/python3";

const SIDES: Readonly<Record<string, readonly string[]>> = {
  native: node("peer.ts"),
  product: [process.execPath, here("../peers/convnets.mjs")],
  "PyTorch channels_last": [python, here("../peers/pytorch.py"), "channels_last"],
};

interface Side {
  readonly name: string;
  /** Milliseconds of each step so far. */
  readonly wall: number[];
  step(): Promise<number>;
  /** Ends the process; its peak memory in bytes. */
  end(): Promise<number>;
}

/** Starts one side, in the protocol of bench/peers; undefined where it cannot do the case. */
async function start(name: string, given: Case): Promise<Side | undefined> {
  const [command = "", ...args] = SIDES[name]!;
  const env = { ...process.env, NOTE_MODELS: process.env.NOTE_MODELS ?? here("../../../shared/seed") };
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"], env });
  child.on("error", () => {});
  child.stdin.on("error", () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => (await lines.next()).value;
  child.stdin.write(`${JSON.stringify(given)}\n`);
  if ((await answer()) !== "ready") {
    child.kill();
    return undefined;
  }
  return {
    name,
    wall: [],
    async step() {
      child.stdin.write("go\n");
      return Number(await answer());
    },
    async end() {
      child.stdin.end();
      return Number(await answer());
    },
  };
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

export interface Compared {
  readonly network: string;
  readonly batch: number;
  readonly side: number;
  /** Steps that each side is timed for. */
  readonly rounds: number;
}

/** Prints the median step of each side, and of the others' steps over the native ones that were made just before. */
export async function compare({ network, batch, side, rounds }: Compared): Promise<void> {
  const given: Case = { network: network as Network, mode: "train", batch, size: side };
  const sides: Side[] = [];
  for (const name of Object.keys(SIDES)) {
    const started = await start(name, given);
    if (started) sides.push(started);
    else console.log(`${name}: not available`);
  }
  // engines plan memory in their first runs
  for (let i = 0; i < 2; i++) for (const one of sides) await one.step();
  for (let i = 0; i < rounds; i++) for (const one of sides) one.wall.push(await one.step());
  console.log(`${environment(python)}\n${network}, ${batch} images of ${side}×${side}, ${rounds} rounds`);
  const [native] = sides as [Side];
  for (const one of sides) {
    const ratios = one.wall.map((wall, i) => wall / native.wall[i]!);
    const spread = `${Math.min(...ratios).toFixed(2)} … ${Math.max(...ratios).toFixed(2)}`;
    const memory = Math.round((await one.end()) / 1e6);
    console.log(
      `${one.name.padEnd(22)} ${median(one.wall).toFixed(1).padStart(8)} ms  ${median(ratios).toFixed(2)}× native [${spread}]  ${memory} MB`,
    );
  }
}
