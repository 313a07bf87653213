import { readlinkSync } from "node:fs";
import { type Collective, joinRanks, oneProcess } from "../cluster/node/index.ts";
import { DivergedError } from "../train/index.ts";
import type { Output } from "./progress.ts";
import { fail } from "./support.ts";

/**
 * Standard output of a rank. Open MPI gives every rank a terminal without a size, whatever its own output is; that of the launcher counts.
 */
export function ranksOutput(): Output {
  const { stdout } = process;
  if (!stdout.isTTY || stdout.columns > 0) return stdout;
  const isTTY = /^\/dev\/(pts|tty)/.test(targetOf(`/proc/${process.ppid}/fd/1`));
  return { isTTY, columns: 80, write: stdout.write.bind(stdout), hasColors: () => isTTY && stdout.hasColors() };
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    // on another system, or of another user
    return "";
  }
}

/**
 * Does the work of a command on every rank that MPI started, or on this process by itself. If it fails on one rank, all ranks stop, and
 * the error names rank and host.
 */
export async function withRanks(work: (collective: Collective) => Promise<void>): Promise<void> {
  const collective = await joinRanks();
  if (!collective) return work(oneProcess());
  const { rank, hosts } = collective;
  try {
    await work(collective);
  } catch (error) {
    // every rank finds that out at the same step; rank 0 says so
    if (rank > 0 && error instanceof DivergedError) return void (await collective.barrier());
    const where = rank === 0 ? "" : `rank ${rank} on ${hosts[rank]}: `;
    fail(where === "" ? error : new Error(`${where}${(error as Error).message}`, { cause: error }));
    await collective.abort(Number(process.exitCode) || 1);
  }
  await collective.close();
}
