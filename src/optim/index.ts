/** Optimizers: how a parameter follows its gradient, as graph nodes; schedules of the rate. Imports `graph` and `operators`. */
export { type AdamWOptions, adamw } from "./adamw.ts";
export { type LarsOptions, lars } from "./lars.ts";
export type { Optimizer, Update, UpdateInput } from "./optimizer.ts";
export {
  constantRate,
  cosineRate,
  multiStepRate,
  polynomialRate,
  type Schedule,
  stepRate,
  warmup,
} from "./schedules.ts";
export { type SgdOptions, sgd } from "./sgd.ts";
