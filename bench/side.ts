/** A process that is timed in turn with others, in the protocol of peers/protocol.mjs. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Case } from "./cases.ts";

/** The Python that has PyTorch. */
export const PYTHON = process.env.PYTHON_TORCH ?? process.env.PYTHON ?? "/usr/bin/python3";

/**
 * Milliseconds between two turns. After a run, ONNX Runtime's threads keep a core busy for 50 ms, waiting for the next one, and PyTorch's for 5, as
 * the processor time of either process shows. Without a pause, the other side would have to share the cores with them.
 */
const PAUSE = 100;

export interface Side {
  /** A turn: milliseconds of one run. */
  go(): Promise<number>;
  /** Ends the process; its peak memory in bytes. */
  end(): Promise<number>;
}

/** Starts a process on a case, with as many threads as there are cores, or `threads`; undefined where it cannot do it. */
export async function start(
  [command = "", ...args]: readonly string[],
  given: Case,
  threads = "",
): Promise<Side | undefined> {
  const { NOTE_MODELS = fileURLToPath(new URL("../../shared/seed", import.meta.url)) } = process.env;
  const env = { ...process.env, NOTE_MODELS, BENCH_THREADS: threads };
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
    async go() {
      child.stdin.write("go\n");
      const time = Number(await answer());
      await setTimeout(PAUSE);
      return time;
    },
    async end() {
      child.stdin.end();
      return Number(await answer());
    },
  };
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
