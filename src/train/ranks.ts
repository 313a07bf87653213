import type { RankTimes, StepEvent } from "./events.ts";

/** How well ranks worked together in a step. */
export interface Together {
  /** Mean of the seconds that ranks waited for each other and for sums. */
  readonly communication: number;
  /** Rank that took longest to load and compute, such as "rank 3 on node2". */
  readonly slowest: string;
}

/** What the times of all ranks say about a step of so many seconds. */
export function together({ ranks, seconds }: Required<Pick<StepEvent, "ranks" | "seconds">>): Together {
  const busy = ({ waited, computed }: RankTimes) => waited + computed;
  const slowest = ranks.reduce((most, one) => (busy(one) > busy(most) ? one : most));
  const idle = ranks.reduce((sum, one) => sum + Math.max(0, seconds - busy(one)), 0);
  return { communication: idle / ranks.length, slowest: `rank ${slowest.rank} on ${slowest.host}` };
}
