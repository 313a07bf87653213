import type { Dim } from "../../src/graph/index.ts";
import type { Module } from "../../src/nn/index.ts";

/** Shape of a batch of images as a network describes them. */
export function imagesOf<Batch extends Dim = 1>(
  { spec = {} }: Module,
  batch: Batch = 1 as Batch,
): [Batch, number, number, number] {
  return [batch, spec.inChannels!, spec.inputSize!, spec.inputSize!];
}
