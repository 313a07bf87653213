import { check, formatShape } from "../graph/index.ts";
import { logProbabilities } from "./outputs.ts";
import type { Tensor } from "./tensor.ts";

/**
 * Mean cross-entropy between predicted and wanted classes.
 *
 *     x [N, K, …] scores, target [N, K] probabilities (one-hot for plain labels) → loss []
 *
 * Further axes of x have to be of size 1. A network that ends in Softmax is trained on the logarithm of its probabilities; the
 * pass `logSoftmax` turns log(softmax(x)) into one stable operator.
 *
 * Throws for labels as whole numbers, and for targets of another number of classes.
 */
export function crossEntropy(x: Tensor, target: Tensor): Tensor {
  const log = logProbabilities(x);
  check(
    target.value.dtype === "float32" && target.shape.length === 2 && target.shape[1] === log.shape[1],
    () =>
      `crossEntropy: the target is ${target.value.dtype}${formatShape(target.shape)}, but has to be float32${formatShape(log.shape)}, the probabilities of the classes; of labels: oneHot(labels, ${log.shape[1]})`,
  );
  return target.mul(log).sum([1]).mean([0]).neg();
}
