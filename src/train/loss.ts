import { check } from "../graph/index.ts";
import { auxiliaryWeight, classScores, crossEntropy, type ModelSpec, mainOutput, type Tensor } from "../nn/index.ts";

type Outputs = Readonly<Record<string, Tensor>>;

/** The weighted cross-entropy of all outputs against `target` [N, K]; weights not given are those of the network's spec, else 1. */
export function totalLoss(
  outputs: Outputs,
  target: Tensor,
  weights: Readonly<Record<string, number>> = {},
  spec?: ModelSpec,
): Tensor {
  const losses = Object.entries(outputs)
    .map(([name, output]) => [weights[name] ?? auxiliaryWeight(spec, name) ?? 1, output] as const)
    .filter(([weight]) => weight !== 0)
    .map(([weight, output]) =>
      weight === 1 ? crossEntropy(output, target) : crossEntropy(output, target).mul(weight),
    );
  check(losses[0], () => "the loss weighs all outputs of the network with 0");
  return losses.reduce((sum, loss) => sum.add(loss));
}

/** The main output as [N, K]. */
export const mainScores = (outputs: Outputs): Tensor => classScores(mainOutput(outputs));

/** Number of images whose most likely class is that of the target. */
export function correctCount(scores: Tensor, target: Tensor): Tensor {
  const { ops } = scores.tracer;
  const hit = ops.equal(ops.argMax(scores.value, 1), ops.argMax(target.value, 1));
  return scores.wrap(ops.reduceSum(ops.indicator(hit), [0], false));
}
