import { check, checkOptions, formatShape, product, type Shape, tensor } from "../graph/index.ts";
import {
  logProbabilities,
  type Module,
  mainOutput,
  outputForm,
  labelScores as scoresBeforeSigmoid,
  type Tensor,
} from "../nn/index.ts";
import type { Task } from "./targets.ts";

/** What a loss may use besides an output and its target. */
export interface LossContext {
  /** All outputs of the network by name. */
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** The images [N, C, H, W]. */
  readonly input: Tensor;
  /** Outputs of another network for the same images, in evaluation form; its weights stay as they are. */
  fixed(network: Module): Readonly<Record<string, Tensor>>;
}

/** A loss of tensors of your own: called once with the main output, it gives one number for the batch. */
export type LossFunction = (output: Tensor, target: Tensor, context: LossContext) => Tensor;

/** A loss that checks its targets; made by `crossEntropyLoss` and the like. */
export interface TargetLoss {
  /** For messages. */
  readonly name: string;
  /** What its targets mean. */
  readonly task: Task;
  /** The mean loss [] of one output over the batch. Several outputs are weighted with `lossWeights`. */
  of(output: Tensor, target: Tensor, context: LossContext): Tensor;
  /** Weight of each class in the mean; with batches that make one update, it decides how much each of them counts. */
  readonly weight?: readonly number[] | undefined;
}

/** What training minimizes: one of `crossEntropyLoss`, `bceWithLogitsLoss`, `mseLoss`, `distillationLoss`, or a function. */
export type Loss = TargetLoss | LossFunction;

/** Shape of the targets that go with an output: [N, K] for [N, K] and [N, K, 1, 1]. */
export function targetShape(output: Tensor): Shape {
  const { shape } = output;
  return shape.length > 2 && product(shape.slice(2)) === 1 ? shape.slice(0, 2) : shape;
}

/** The output in the shape of its targets. */
export const flat = (output: Tensor): Tensor => (targetShape(output) === output.shape ? output : output.flatten(1));

/** Options of `crossEntropyLoss`. */
export interface CrossEntropyOptions {
  /** Share of each target that is spread evenly over all classes, 0 … 1. Default 0. */
  labelSmoothing?: number;
  /** Weight of each class, such as the inverse of how often it occurs. Default: 1 each. */
  weight?: readonly number[];
}

/**
 * Cross-entropy of one class per image, as torch.nn.CrossEntropyLoss.
 *
 *     output [N, K] scores, target [N] labels or [N, K] probabilities → loss [];  t' = (1 − s)·t + s/K
 *     loss = Σ w·t'·(−log softmax(output)) / Σ w·t
 *
 * A network that ends in Softmax is trained on the logarithm of its probabilities, which stays finite.
 *
 * Throws for targets of several labels per image, networks with one output, and networks that end in Sigmoid.
 */
export function crossEntropyLoss(options: CrossEntropyOptions = {}): TargetLoss {
  checkOptions("crossEntropyLoss", options, ["labelSmoothing", "weight"]);
  const { labelSmoothing = 0, weight } = options;
  check(
    labelSmoothing >= 0 && labelSmoothing < 1,
    () => `crossEntropyLoss: labelSmoothing has to lie in [0, 1), but is ${labelSmoothing}`,
  );
  checkWeights("crossEntropyLoss: weight", weight);
  return {
    name: "crossEntropyLoss",
    task: "classes",
    weight,
    of(output, target) {
      const log = classLogProbabilities("crossEntropyLoss", output);
      const K = log.shape[1] as number;
      const smooth = labelSmoothing === 0 ? target : target.mul(1 - labelSmoothing).add(labelSmoothing / K);
      if (!weight) return smooth.mul(log).sum([1]).mean([0]).neg();
      const w = perClass(log, "crossEntropyLoss: weight", weight);
      return smooth.mul(log).mul(w).sum().neg().div(target.mul(w).sum());
    },
  };
}

/** Log-probabilities [N, K] of K ≥ 2 classes. */
function classLogProbabilities(who: string, output: Tensor): Tensor {
  check(
    outputForm(output).form !== "sigmoid",
    () =>
      `${who}: the network ends in Sigmoid, which is for several labels per image; use bceWithLogitsLoss(), or end in plain scores`,
  );
  const log = logProbabilities(output);
  check(
    log.shape[1] !== 1,
    () =>
      `${who}: the network has one output, which is always certain after a softmax; give it an output per class, or use bceWithLogitsLoss() for yes or no, mseLoss() for a number`,
  );
  return log;
}

/** Options of `bceWithLogitsLoss`. */
export interface BceWithLogitsOptions {
  /** Weight of the positive examples of each label, such as negatives / positives. Default: 1 each. */
  posWeight?: readonly number[];
}

/**
 * Binary cross-entropy of several labels per image, as torch.nn.BCEWithLogitsLoss: the mean over images and labels.
 *
 *     output [N, K] scores, target [N, K] 0 … 1 → loss [] = mean((1 − t)·x + (1 + (p − 1)·t)·log(1 + exp(−x)))
 *
 * A network that ends in Sigmoid is trained on the scores before it, which stays finite.
 *
 * Throws for networks that end in Softmax, and for class labels.
 */
export function bceWithLogitsLoss(options: BceWithLogitsOptions = {}): TargetLoss {
  checkOptions("bceWithLogitsLoss", options, ["posWeight"]);
  const { posWeight } = options;
  checkWeights("bceWithLogitsLoss: posWeight", posWeight);
  return {
    name: "bceWithLogitsLoss",
    task: "labels",
    of(output, target) {
      const x = labelScores("bceWithLogitsLoss", output);
      const negative = target.neg().add(1).mul(x);
      const softplus = x.neg().apply("Softplus");
      if (!posWeight) return negative.add(softplus).mean();
      const extra = perClass(x, "bceWithLogitsLoss: posWeight", posWeight).sub(1);
      return negative.add(target.mul(extra).add(1).mul(softplus)).mean();
    },
  };
}

/** Scores [N, K] of independent labels: those before a Sigmoid at the end. */
export function labelScores(who: string, output: Tensor): Tensor {
  const { form } = outputForm(output);
  check(
    form === "scores" || form === "sigmoid",
    () =>
      `${who}: the network ends in ${form === "softmax" ? "Softmax" : "LogSoftmax"}, which allows one class per image; let it end in plain scores or Sigmoid, or use crossEntropyLoss()`,
  );
  return scoresBeforeSigmoid(output);
}

/**
 * Mean squared error, as torch.nn.MSELoss: the mean over images and numbers.
 *
 *     output [N, …], target [N, …] → loss [] = mean((output − target)²)
 *
 * Throws for class labels, and for targets of another shape than the output.
 */
export function mseLoss(): TargetLoss {
  return {
    name: "mseLoss",
    task: "values",
    of(output, target) {
      const difference = flat(output).sub(target);
      return difference.mul(difference).mean();
    },
  };
}

/** Options of `distillationLoss`. */
export interface DistillationOptions {
  /** The network to learn from. It gets the same images; its weights stay as they are. */
  teacher: Module;
  /** Divides the scores of both: higher shows more of what the teacher finds similar. Default 4. */
  temperature?: number;
  /** Share of the teacher in the loss, 0 … 1; the rest is cross-entropy with the labels. Default 0.9. */
  alpha?: number;
}

/**
 * Learns from the labels and from a teacher's probabilities (Hinton et al. 2015).
 *
 *     output [N, K], target as for crossEntropyLoss → loss [] = α·T²·KL(softmax(teacher/T) ‖ softmax(output/T)) + (1 − α)·CE
 *
 * The factor T² keeps the size of the gradients. KL is the mean over images.
 *
 * Throws if the teacher has another number of classes.
 */
export function distillationLoss(options: DistillationOptions): TargetLoss {
  checkOptions("distillationLoss", options, ["teacher", "temperature", "alpha"]);
  const { teacher, temperature: T = 4, alpha = 0.9 } = options;
  check(teacher, () => "distillationLoss: a teacher is needed: distillationLoss({ teacher: network })");
  check(T > 0, () => `distillationLoss: temperature has to be above 0, but is ${T}`);
  check(alpha >= 0 && alpha <= 1, () => `distillationLoss: alpha has to lie in [0, 1], but is ${alpha}`);
  const hard = crossEntropyLoss();
  return {
    name: "distillationLoss",
    task: "classes",
    of(output, target, context) {
      const student = classLogProbabilities("distillationLoss", output);
      const taught = logProbabilities(mainOutput(context.fixed(teacher)));
      check(
        taught.shape[1] === student.shape[1],
        () => `distillationLoss: the teacher has ${taught.shape[1]} classes, the network ${student.shape[1]}`,
      );
      const wanted = taught.div(T).logSoftmax(1);
      const soft = wanted
        .exp()
        .mul(wanted.sub(student.div(T).logSoftmax(1)))
        .sum([1])
        .mean([0]);
      if (alpha === 1) return soft.mul(T * T);
      return soft.mul(alpha * T * T).add(hard.of(output, target, context).mul(1 - alpha));
    },
  };
}

function checkWeights(what: string, weights: readonly number[] | undefined): void {
  const wrong = weights && Array.from(weights).find((weight) => !(weight >= 0 && Number.isFinite(weight)));
  check(wrong === undefined, () => `${what} has to hold numbers ≥ 0, one per output, but holds ${wrong}`);
}

/** Numbers per class as a tensor [1, K] beside x [N, K]. */
function perClass(x: Tensor, what: string, numbers: readonly number[]): Tensor {
  check(
    x.shape.length === 2 && numbers.length === x.shape[1],
    () => `${what} has ${numbers.length} numbers, but the network's output is ${formatShape(x.shape)}`,
  );
  return x.wrap(x.tracer.ops.constant(tensor("float32", [1, numbers.length], Float32Array.from(numbers))));
}
