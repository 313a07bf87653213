/** Optimizers: how a parameter follows its gradient, as graph nodes. Imports `graph` and `operators`. */
export { type AdamWOptions, adamw } from "./adamw.ts";
export type { Optimizer, Update, UpdateInput } from "./optimizer.ts";
export { type SgdOptions, sgd } from "./sgd.ts";
