import { type Batch, DataError, type Dataset } from "../data/index.ts";
import { check, type TensorData, tensor } from "../graph/index.ts";
import type { Loss } from "./losses.ts";
import { oneHot, padded, preparedTarget } from "./targets.ts";

/**
 * The targets of a loader's batch for a loss: numbers that the data set has, or its labels as probabilities. `size` is that of the
 * network's targets. Throws if the data set has labels where the loss needs numbers.
 */
export function targetFor(
  { labels, targets }: Batch,
  loss: Loss,
  size: readonly number[],
  dataset: Dataset,
): TensorData<"float32"> {
  const [who, task] = typeof loss === "function" ? ["loss", undefined] : [loss.name, loss.task];
  const [K = 0] = size;
  if (targets) {
    const wide = task === "classes" ? padded(targets, K) : targets;
    return preparedTarget(who, task, wide.shape.length === size.length + 1 ? wide : shaped(wide, size), size);
  }
  check(
    task === "classes" || task === undefined,
    () =>
      `${who}: needs numbers to aim at, but the data set "${dataset.name}" has class labels only; give its samples a \`target\`, or use crossEntropyLoss()`,
  );
  return oneHot(labels.data, K);
}

/** Rows of numbers in the shape that the network gives. */
function shaped({ shape, data }: TensorData<"float32">, size: readonly number[]): TensorData<"float32"> {
  const [N = 0, width = 0] = shape;
  const wanted = size.reduce((product, dim) => product * dim, 1);
  return width === wanted ? tensor("float32", [N, ...size], data) : { dtype: "float32", shape, data };
}

/** Throws, before any step, if the data set does not go with the network's targets. */
export function checkDataset(dataset: Dataset, loss: Loss, size: readonly number[]): void {
  const [K = 0] = size;
  const { classes, name, targetSize } = dataset;
  if (typeof loss !== "function" && loss.task !== "classes" && targetSize === undefined) {
    throw new DataError(
      `${loss.name} needs numbers to aim at, but there are class labels only; give the samples a \`target\` and the data set its \`targetSize\`, or use crossEntropyLoss()`,
      { file: name },
    );
  }
  check(
    typeof loss === "function" || loss.task !== "classes" || (targetSize ?? classes.length) <= K,
    () =>
      `the network has ${K} outputs, but the data set "${name}" has ${targetSize ?? classes.length} classes; build the network with numClasses: ${targetSize ?? classes.length}`,
  );
}
