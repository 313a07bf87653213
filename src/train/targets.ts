import { check, describe, formatShape, numel, type TensorData, tensor } from "../graph/index.ts";

/**
 * What the targets of a loss mean: `classes`, one class per image, as labels [N] or probabilities [N, K]; `labels`, several
 * independent labels per image, each 0 … 1, [N, K]; `values`, any numbers in the shape of the output.
 */
export type Task = "classes" | "labels" | "values";

/** Labels [N] as probabilities [N, K]: 1 at the label, 0 elsewhere. Throws for a label that is not one of 0 … K − 1. */
export function oneHot(labels: ArrayLike<number | bigint>, numClasses: number): TensorData<"float32"> {
  const data = new Float32Array(labels.length * numClasses);
  for (let i = 0; i < labels.length; i++) {
    const label = Number(labels[i]);
    check(
      Number.isInteger(label) && label >= 0 && label < numClasses,
      () => `oneHot: label ${label} is not one of the ${numClasses} classes, 0 to ${numClasses - 1}`,
    );
    data[i * numClasses + label] = 1;
  }
  return tensor("float32", [labels.length, numClasses], data);
}

/** How far from 1 the probabilities of an image may sum. */
const SUM_TOLERANCE = 1e-3;

/**
 * The targets of a batch as the graph takes them, float32 of shape [N, …size]. `size` is that of the network's output; `who` is the
 * loss, for messages. Throws for targets that cannot be meant for this loss.
 */
export function preparedTarget(
  who: string,
  task: Task | undefined,
  given: TensorData,
  size: readonly number[],
): TensorData<"float32"> {
  const { dtype, shape } = given;
  const isFloat = dtype === "float32" || dtype === "float64";
  if (task === "classes" && !isFloat) {
    check(
      shape.length === 1 && dtype !== "bool",
      () =>
        `${who}: targets are whole numbers ${describe(given)}, but labels have to be [N]${shape.length === 2 ? "; for several labels per image use bceWithLogitsLoss()" : ""}`,
    );
    return oneHot(given.data as ArrayLike<number | bigint>, size[0]!);
  }
  check(
    isFloat || (task === "labels" && shape.length > 1),
    () =>
      `${who}: targets are whole numbers ${describe(given)}, but float32 [${["N", ...size].join(", ")}] is needed${shape.length === 1 ? "; for class labels use crossEntropyLoss()" : ""}`,
  );
  // one number per image needs no second axis
  const full = shape.length === 1 && size.length === 1 && size[0] === 1 ? [shape[0]!, 1] : shape;
  check(
    String(full.slice(1)) === String(size) && full.length > 0,
    () =>
      `${who}: targets are ${formatShape(shape)}, but the network's output is [${["N", ...size].join(", ")}]${task === "classes" && shape.length === 1 ? '; class labels have to be whole numbers: tensor("int32", [N], labels)' : ""}`,
  );
  const data = Float32Array.from(given.data as ArrayLike<number>, Number);
  checkNumbers(who, task, data, numel(size));
  return tensor("float32", full, data);
}

function checkNumbers(who: string, task: Task | undefined, data: Float32Array, width: number): void {
  for (let start = 0, row = 0; start < data.length; start += width, row++) {
    let sum = 0;
    for (let i = start; i < start + width; i++) {
      const value = data[i]!;
      check(Number.isFinite(value), () => `${who}: the target of image ${row} holds ${value}`);
      check(
        task === undefined || task === "values" || (value >= 0 && value <= 1 + SUM_TOLERANCE),
        () => `${who}: the target of image ${row} holds ${value}, but has to lie in 0 … 1`,
      );
      sum += value;
    }
    check(
      task !== "classes" || Math.abs(sum - 1) <= SUM_TOLERANCE,
      () =>
        `${who}: the target of image ${row} sums to ${Number(sum.toPrecision(4))}, but probabilities of classes sum to 1; for several labels per image use bceWithLogitsLoss()`,
    );
  }
}

/** Probabilities [N, K'] of the first K' of K classes as [N, K]. */
export function padded(given: TensorData<"float32">, numClasses: number): TensorData<"float32"> {
  const [N, width] = given.shape as [number, number];
  if (width >= numClasses) return given;
  const data = new Float32Array(N * numClasses);
  for (let n = 0; n < N; n++) data.set(given.data.subarray(n * width, (n + 1) * width), n * numClasses);
  return tensor("float32", [N, numClasses], data);
}
