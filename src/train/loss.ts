import { check } from "../graph/index.ts";
import { classScores, crossEntropy, mainOutput, type Tensor } from "../nn/index.ts";

type Outputs = Readonly<Record<string, Tensor>>;

/** Weight of the loss of an output: 1, and 0.3 for auxiliary classifiers (Szegedy et al. 2015, 5). */
export function lossWeight(name: string, given: Readonly<Record<string, number>> = {}): number {
  return given[name] ?? (name.startsWith("aux") ? 0.3 : 1);
}

/** The weighted cross-entropy of all outputs against `target` [N, K]. */
export function totalLoss(outputs: Outputs, target: Tensor, weights?: Readonly<Record<string, number>>): Tensor {
  const losses = Object.entries(outputs)
    .map(([name, output]) => [lossWeight(name, weights), output] as const)
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
