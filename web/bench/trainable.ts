import { exportOnnx } from "convnets/onnx";
import type { Loaded } from "./load.ts";

/** A network as an .onnx file that can be trained: with its dropout, and with initial weights of a seed where it has none. */
export function trainable({ model, input }: Loaded, seed: number): Uint8Array {
  model.initialize(seed, { keep: true });
  return exportOnnx(model, { input: ["N", ...input.slice(1)], aux: true, dropout: true }).bytes;
}
