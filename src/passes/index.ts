/** Graph in, graph out. Imports `graph` and `operators`. */
export { type Differentiated, type DifferentiateOptions, differentiate } from "./differentiate.ts";
export type { Known } from "./evaluate.ts";
export { foldBatchNorm } from "./fold-batch-norm.ts";
export { type FoldOptions, foldConstants } from "./fold-constants.ts";
export { type ImagesApart, imagesApart } from "./images-apart.ts";
export { type InPlace, inPlace } from "./in-place.ts";
export { type LowerOptions, logSoftmax, lower, lowerBatchStatistics } from "./lower.ts";
export { shallowFirst } from "./order.ts";
export { type Placeable, type Placed, Placement, type PlacementOptions } from "./place.ts";
export { poolFirst } from "./pool-first.ts";
export { prune, type Rule, rewrite } from "./rewrite.ts";
export { inRounds, KEPT, RECEIVED, SENT, split } from "./segments.ts";
export { simplify } from "./simplify.ts";
export { normalizesBatches, type Synchronized, synchronize } from "./sync-batch-norm.ts";
