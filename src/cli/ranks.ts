import { type Collective, joinRanks, oneProcess } from "../cluster/node/index.ts";
import { DivergedError } from "../train/index.ts";
import { fail } from "./support.ts";

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
  // rank 0 has told what went wrong
  if (process.exitCode === 1) await collective.abort(1);
  await collective.close();
}
