import { check, type TensorData } from "../graph/index.ts";
import { type Numbers, numbers } from "../infer/index.ts";
import type { DeviceTensor } from "../runtime/index.ts";
import type { TargetLoss } from "./losses.ts";
import type { Totals } from "./metrics.ts";
import type { Norms } from "./norms.ts";
import { preparedTarget } from "./targets.ts";
import { next, type TrainingGraphs } from "./training-graph.ts";

/** Images and what the network should make of them. */
export interface TrainingBatch {
  /** [N, C, H, W] */
  readonly input: Numbers;
  /**
   * Labels [N] as whole numbers or probabilities [N, K] for `crossEntropyLoss`; 0 … 1 [N, K] for `bceWithLogitsLoss`; numbers in the
   * shape of the output for `mseLoss`.
   */
  readonly target: TensorData;
  /** Which part of the batch it is, if batches are cut into shards; as the loader says. */
  readonly shard?: number;
}

/** What a step of training reports. */
export interface StepResult extends Norms {
  /** Mean loss over the images, before the update. */
  readonly loss: number;
  /** What was measured, before the update. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Images that were classified correctly, before the update; NaN without the metric `accuracy` of classes. */
  readonly correct: number;
  /** Sums that the metrics are computed of. */
  readonly totals: Totals;
  /** Images that it was computed of, those of all ranks. */
  readonly images: number;
  /** Seconds in which this rank waited for the others and for the sums; with several ranks only. */
  readonly communication?: number;
}

/** A batch as a graph takes it. */
export interface PreparedBatch {
  readonly input: TensorData<"float32">;
  readonly target: TensorData<"float32">;
  readonly shard?: number;
}

export const scalar = (value: number): TensorData => ({ dtype: "float32", shape: [], data: Float32Array.of(value) });

export const countOf = (given: TensorData | undefined): bigint => BigInt(given?.data[0] ?? 0);

/** A batch as the graph takes it. Throws if the targets do not fit the loss. */
export function preparedBatch(
  { input, target, shard }: TrainingBatch,
  { loss, targetSize }: Pick<TrainingGraphs, "loss" | "targetSize">,
): PreparedBatch {
  const [who, task] = typeof loss === "function" ? ["loss", undefined] : [loss.name, loss.task];
  const images = numbers("TrainingStep", "input", input);
  const prepared = preparedTarget(who, task, target, targetSize);
  check(
    prepared.shape[0] === images.shape[0],
    () => `TrainingStep: there are ${images.shape[0]} images, but targets of ${prepared.shape[0]}`,
  );
  return { input: images, target: prepared, ...(shard !== undefined && { shard }) };
}

/** How much a batch counts among those of an update: its images, or the weights of their classes. */
export function weightOf({ input, target }: PreparedBatch, { weight }: Partial<TargetLoss>): number {
  if (!weight) return input.shape[0]!;
  return target.data.reduce((sum, value, i) => sum + value * weight[i % weight.length]!, 0);
}

export async function readNumber(tensor: DeviceTensor | undefined): Promise<number | undefined> {
  return tensor && Number((await tensor.read()).data[0]);
}

/** Gives back the memory of all results that are no part of the state. */
export function disposeOthers(results: Readonly<Record<string, DeviceTensor>>): void {
  for (const [name, tensor] of Object.entries(results)) if (!name.startsWith(next(""))) tensor.dispose();
}
