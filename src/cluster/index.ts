/** Training on several ranks: what they do together, and the fixed order of their sums. MPI is in `node`. Only `train` and what uses it import this. */
export { type AllReduceOptions, type Collective, oneProcess } from "./collective.ts";
export type { Compression, WireType } from "./compress.ts";
export { checkShards, type Part, partOf, planSums, type SumPlan, sliceOf, slicesOf } from "./plan.ts";
