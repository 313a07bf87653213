import { check, formatShape, listed, type Shape } from "../graph/index.ts";
import { auxiliaryWeight, type ModelSpec, mainOutput, type Tensor } from "../nn/index.ts";
import { type Loss, type LossContext, type TargetLoss, targetShape } from "./losses.ts";
import type { TrainingOptions } from "./options.ts";

type Outputs = Readonly<Record<string, Tensor>>;

/** Weight of the loss of each output. Throws for weights of outputs that the network does not have. */
function weightsOf(outputs: Outputs, { lossWeights: given = {}, spec }: TotalLossOptions): Map<string, number> {
  const names = Object.keys(outputs);
  if (typeof given !== "function") {
    const unknown = Object.keys(given).filter((name) => !names.includes(name));
    check(
      unknown.length === 0,
      () => `lossWeights: the network has no output ${listed(unknown)}, only ${listed(names)}`,
    );
  }
  const weightOf = typeof given === "function" ? given : (name: string) => given[name];
  return new Map(names.map((name) => [name, weightOf(name) ?? auxiliaryWeight(spec, name) ?? 1]));
}

/** Shape of the targets of a batch: that of the main output, unless a loss that is a function takes others. */
export function targetOf(outputs: Outputs, loss: Loss, asked?: Shape): Shape {
  const shape = targetShape(mainOutput(outputs));
  if (asked === undefined || typeof loss === "function") return asked ?? shape;
  check(
    String(asked.slice(1)) === String(shape.slice(1)),
    () => `${loss.name}: the network's main output is ${formatShape(shape)}, but targets are ${formatShape(asked)}`,
  );
  return shape;
}

export interface TotalLossOptions {
  readonly lossWeights?: TrainingOptions["lossWeights"];
  readonly context: LossContext;
  /** Tells auxiliary outputs and their weight. */
  readonly spec?: ModelSpec | undefined;
}

/** The loss [] of all outputs together. */
export function totalLoss(outputs: Outputs, target: Tensor, loss: Loss, options: TotalLossOptions): Tensor {
  const { lossWeights, context } = options;
  if (typeof loss === "function") {
    check(lossWeights === undefined, () => "lossWeights: a loss that is a function weighs the outputs itself");
    return scalar("loss", loss(mainOutput(outputs), target, context));
  }
  const weights = [...weightsOf(outputs, options)].filter(([, weight]) => weight !== 0);
  check(weights.length > 0, () => "lossWeights: all outputs of the network have weight 0");
  const losses = weights.map(([name, weight]) => {
    const value = ofOutput(loss, name, outputs, target, context);
    return weight === 1 ? value : value.mul(weight);
  });
  return losses.reduce((sum, value) => sum.add(value));
}

function ofOutput(loss: TargetLoss, name: string, outputs: Outputs, target: Tensor, context: LossContext) {
  const output = outputs[name]!;
  const several = Object.keys(outputs).length > 1;
  const remedy = `; if it is not to be trained, leave it out of the loss: lossWeights: { ${name}: 0 }`;
  try {
    const shape = targetShape(output);
    check(shape.length === target.shape.length && shape.slice(1).join() === target.shape.slice(1).join(), () =>
      loss.task === "classes"
        ? `a classifier has to give [N, classes], but gives ${formatShape(output.shape)}`
        : `it is ${formatShape(output.shape)}, but targets are ${formatShape(target.shape)}`,
    );
    return loss.of(output, target, context);
  } catch (error) {
    if (!several) throw error;
    throw new Error(`the output "${name}": ${(error as Error).message}${remedy}`, { cause: error });
  }
}

/** A tensor that has to be one number. */
export function scalar(what: string, value: Tensor): Tensor {
  check(
    value?.value !== undefined,
    () => `${what}: the function has to return a tensor, such as output.sub(target).mean()`,
  );
  check(
    value.shape.every((dim) => dim === 1) && value.value.dtype === "float32",
    () =>
      `${what}: the function has to return one number, but gives ${value.value.dtype}${formatShape(value.shape)}; take its mean: .mean()`,
  );
  return value.shape.length === 0 ? value : value.sum();
}
