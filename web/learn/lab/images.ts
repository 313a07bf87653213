/** Small generated images to train on: four of the library's shapes, few pixels, so that a step takes milliseconds. */
import { Random, shapes } from "convnets";
import { type TensorData, tensor } from "convnets/graph";
import type { TrainingBatch } from "convnets/train";

export const SIDE = 16;
export const BATCH = 16;
/** Batches that are trained on, again and again: the question is how the loss falls, not what a test would say. */
export const SET = 4;
/** Circle, bar, cross and star, by their labels in `shapes`. */
const KEPT = [0, 3, 5, 6] as const;
export const CLASSES = KEPT.length;
const NUMBERS = 3 * SIDE * SIDE;

/** Batches of these shapes, the same for the same split and seed; the pixels are −1 … 1. */
export function batches(split: "train" | "test", count: number, seed = 0): TrainingBatch[] {
  const { memory } = shapes({ split, size: SIDE, length: Math.ceil((count * BATCH) / CLASSES) * 10, seed });
  const { images } = memory;
  const rows = Array.from({ length: images.length / NUMBERS }, (_, i) => i).filter((i) => KEPT.includes((i % 10) as 0));
  const order = new Random(seed, "order").permutation(rows.length);
  return Array.from({ length: count }, (_, b) => {
    const chosen = Array.from({ length: BATCH }, (_, n) => rows[order[b * BATCH + n]!]!);
    const data = new Float32Array(BATCH * NUMBERS);
    chosen.forEach((row, n) => {
      for (let i = 0; i < NUMBERS; i++) data[n * NUMBERS + i] = images[row * NUMBERS + i]! / 127.5 - 1;
    });
    const labels = Int32Array.from(chosen, (row) => KEPT.indexOf((row % 10) as 0));
    return {
      input: tensor("float32", [BATCH, 3, SIDE, SIDE], data),
      target: { dtype: "int32", shape: [BATCH], data: labels } as TensorData,
    };
  });
}
