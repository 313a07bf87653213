import { logProbabilities } from "./outputs.ts";
import type { Tensor } from "./tensor.ts";

/**
 * Mean cross-entropy between predicted and wanted classes.
 *
 *     x [N, K, …] scores, target [N, K] probabilities (one-hot for plain labels) → loss []
 *
 * Further axes of x have to be of size 1. A network that ends in Softmax is trained on the logarithm of its probabilities; the
 * pass `logSoftmax` turns log(softmax(x)) into one stable operator.
 */
export function crossEntropy(x: Tensor, target: Tensor): Tensor {
  return target.mul(logProbabilities(x)).sum([1]).mean([0]).neg();
}
