/** Training on several ranks: what they do together, and the fixed order of their sums. MPI is in `node`. Only `train` and what uses it import this. */
export { type AllReduceOptions, type Collective, oneProcess } from "./collective.ts";
export { checkShards, type Part, type PlannedSum, partOf, plannedSums } from "./plan.ts";
