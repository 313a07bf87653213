import { check, formatShape, product } from "../graph/index.ts";
import type { Tensor } from "./tensor.ts";

/*
 * What a network's outputs mean: which one is the main one, and whether it holds scores or probabilities.
 */

/** Name of the output that predictions are read from: `logits`, else `output`, else the first. Throws when there is none. */
export function mainOutputName(names: Iterable<string>): string {
  const all = [...names];
  const main = ["logits", "output"].find((name) => all.includes(name)) ?? all[0];
  check(main !== undefined, () => "the network has no output");
  return main;
}

/** The output that predictions are read from; see `mainOutputName`. */
export function mainOutput<T>(outputs: Readonly<Record<string, T>>): T {
  return outputs[mainOutputName(Object.keys(outputs))]!;
}

/** What an output holds: plain scores (logits), or what an activation over the classes made of them. */
export type OutputForm = "scores" | "softmax" | "log-softmax" | "sigmoid";

const FORMS: Readonly<Record<string, OutputForm>> = {
  Softmax: "softmax",
  LogSoftmax: "log-softmax",
  Sigmoid: "sigmoid",
};
const RESHAPES = new Set(["Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"]);

/**
 * What x [N, K, …] holds, seen through reshapes that only add or remove axes of size 1. `end` is the tensor before those
 * reshapes, the activation's own output.
 */
export function outputForm(x: Tensor): { readonly form: OutputForm; readonly end: Tensor } {
  const node = x.tracer.graph.producer(x.value);
  const source = node && RESHAPES.has(node.op) ? node.inputs[0] : undefined;
  if (source && product(source.shape.slice(2)) === 1) return outputForm(x.wrap(source));
  return { form: FORMS[node?.op ?? ""] ?? "scores", end: x };
}

/** The scores of a classifier without axes of size 1: x [N, K, 1, 1] → y [N, K]. Throws when an axis after K is larger. */
export function classScores(x: Tensor): Tensor {
  check(
    x.shape.length >= 2 && product(x.shape.slice(2)) === 1,
    () =>
      `a classifier has to give [N, classes], but gives ${formatShape(x.shape)}${lookOf(x.shape.length)}; compile, or convnets predict, computes outputs of any kind`,
  );
  return x.shape.length === 2 ? x : x.flatten(1);
}

/** What an output with this many axes usually is, for a message. */
function lookOf(rank: number): string {
  if (rank === 4) return ", which looks like a feature map, or scores of each pixel";
  return rank === 3 ? ", which looks like a list for each image, such as boxes" : "";
}

/** Log-probabilities of a classifier's output, scores or probabilities: x [N, K, …] → y [N, K] */
export function logProbabilities(x: Tensor): Tensor {
  const { form, end } = outputForm(x);
  return classScores(form === "softmax" ? end.log() : form === "log-softmax" ? end : x.logSoftmax(1));
}

/** Scores of independent labels, those before a sigmoid at the end: x [N, K, …] → y [N, K] */
export function labelScores(x: Tensor): Tensor {
  const { form, end } = outputForm(x);
  const source = form === "sigmoid" ? end.tracer.graph.producer(end.value)?.inputs[0] : undefined;
  return classScores(source ? end.wrap(source) : x);
}

/** Probabilities of independent labels, several of which may apply: x [N, K, …], scores or a sigmoid of them → y [N, K] */
export function labelProbabilities(x: Tensor): Tensor {
  const y = classScores(x);
  return outputForm(x).form === "sigmoid" ? y : y.apply("Sigmoid");
}

/** Probabilities of a classifier's output, scores or probabilities, also those of a sigmoid: x [N, K, …] → y [N, K] */
export function probabilities(x: Tensor): Tensor {
  const { form } = outputForm(x);
  const y = classScores(x);
  return form === "softmax" || form === "sigmoid" ? y : form === "log-softmax" ? y.exp() : y.softmax(1);
}
