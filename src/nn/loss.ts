import { check, formatShape, product } from "../graph/index.ts";
import type { Tensor } from "./tensor.ts";

/**
 * Mean cross-entropy between the classes a network predicts and those wanted.
 *
 *     x [N, K, …] scores, target [N, K] probabilities (one-hot for plain labels) → loss []
 *
 * Further axes of x have to be of size 1. A network that ends in Softmax is trained through the logarithm of its
 * probabilities; `logSoftmax` makes log(softmax(x)) one stable operator.
 */
export function crossEntropy(x: Tensor, target: Tensor): Tensor {
  return target.mul(logProbabilities(x)).sum([1]).mean([0]).neg();
}

/** Log-probabilities [N, K] of what a classifier gives [N, K, …]: scores, or probabilities where it ends in Softmax. */
export function logProbabilities(x: Tensor): Tensor {
  const end = beforeReshapes(x);
  const op = x.tracer.graph.producer(end.value)?.op;
  return classScores(op === "Softmax" ? end.log() : op === "LogSoftmax" ? end : x.logSoftmax(1));
}

const RESHAPES = new Set(["Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"]);

/** The tensor that x holds the elements of, before axes of size 1 came or went. */
function beforeReshapes(x: Tensor): Tensor {
  const node = x.tracer.graph.producer(x.value);
  const source = node && RESHAPES.has(node.op) ? node.inputs[0] : undefined;
  return source && product(source.shape.slice(2)) === 1 ? beforeReshapes(x.wrap(source)) : x;
}

/** [N, K, 1, 1] → [N, K] */
export function classScores(x: Tensor): Tensor {
  check(
    x.shape.length >= 2 && product(x.shape.slice(2)) === 1,
    () => `a classifier has to give [N, classes], but gives ${formatShape(x.shape)}`,
  );
  return x.shape.length === 2 ? x : x.flatten(1);
}
