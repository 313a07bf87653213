/** Graph in, graph out. Imports `graph` and `operators`. */
export { type Differentiated, differentiate } from "./differentiate.ts";
export { logSoftmax, lower } from "./lower.ts";
export { prune, type Rule, rewrite } from "./rewrite.ts";
export { simplify } from "./simplify.ts";
