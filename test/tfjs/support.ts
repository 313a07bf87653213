/** Small models of TensorFlow.js, written as its converter writes them. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TensorData, tensor } from "../../src/graph/index.ts";

/** A tensor as TensorFlow has it: images are [N, H, W, C]. */
export interface Tf {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Images as [N, C, H, W]; other tensors as they are. */
export const nchw = ({ shape, data }: Tf): TensorData => {
  if (shape.length !== 4) return tensor("float32", shape, data);
  const [N, H, W, C] = shape as readonly [number, number, number, number];
  const to = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const [c, w, h, n] = [i % C, Math.floor(i / C) % W, Math.floor(i / C / W) % H, Math.floor(i / C / W / H)];
    to[((n * C + c) * H + h) * W + w] = data[i]!;
  }
  return tensor("float32", [N, C, H, W], to);
};

/** Numbers between −1 and 1 that look random. */
export function numbers(shape: readonly number[], seed = 1): Tf {
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) =>
    Math.sin((i + 1) * 12.9898 * seed + seed),
  );
  return { shape, data };
}

export interface ModelFiles {
  readonly text: string;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** The files of a model: its topology, and its weights in two files. */
export function modelFiles(
  modelTopology: object,
  weights: Readonly<Record<string, Tf>> = {},
  more: object = {},
): ModelFiles {
  const bytes = Buffer.concat(Object.values(weights).map(({ data }) => new Uint8Array(data.slice().buffer)));
  const specs = Object.entries(weights).map(([name, { shape }]) => ({ name, shape, dtype: "float32" }));
  const half = bytes.length >> 1;
  const paths = ["group1-shard1of2.bin", "group1-shard2of2.bin"];
  const text = JSON.stringify({ modelTopology, weightsManifest: [{ paths, weights: specs }], ...more });
  const files = new Map([
    [paths[0]!, new Uint8Array(bytes.subarray(0, half))],
    [paths[1]!, new Uint8Array(bytes.subarray(half))],
  ]);
  return { text, files };
}

export const readerOf =
  ({ files }: ModelFiles) =>
  (path: string) =>
    files.get(path)!;

/** Writes the files into a folder; gives the path of model.json. */
export function writeModel(folder: string, { text, files }: ModelFiles): string {
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
  const path = join(folder, "model.json");
  writeFileSync(path, text);
  return path;
}

export interface Layer {
  readonly class_name: string;
  readonly config: Record<string, unknown>;
  readonly inbound_nodes?: unknown;
}

/** A layer as Keras writes it. */
export const layer = (class_name: string, name: string, config: object = {}): Layer => ({
  class_name,
  config: { name, ...config },
});

export const inputLayer = (shape: readonly (number | null)[], name = "image"): Layer =>
  layer("InputLayer", name, { batch_input_shape: [null, ...shape], dtype: "float32" });

/** A Sequential model. */
export const sequential = (...layers: readonly Layer[]) => ({
  keras_version: "2.11.0",
  backend: "tensorflow",
  model_config: { class_name: "Sequential", config: { name: "net", layers } },
});

/** A call of a layer: its inputs, by name. */
export const called = (one: Layer, ...inputs: readonly string[]) => ({
  ...one,
  name: one.config.name,
  inbound_nodes: inputs.length === 0 ? [] : [inputs.map((name) => [name, 0, 0, {}])],
});

/** A functional model. */
export const functional = (layers: readonly object[], inputs: readonly string[], outputs: readonly string[]) => ({
  class_name: "Model",
  config: {
    name: "net",
    layers,
    input_layers: inputs.map((name) => [name, 0, 0]),
    output_layers: outputs.map((name) => [name, 0, 0]),
  },
});

/** A node of a graph; attributes as protobuf writes them. */
export const node = (name: string, op: string, input: readonly string[] = [], attr: object = {}) => ({
  name,
  op,
  input,
  attr,
});

export const list = (...i: readonly number[]) => ({ list: { i: i.map(String) } });
export const text = (value: string) => ({ s: btoa(value) });
export const texts = (...values: readonly string[]) => ({ list: { s: values.map((value) => btoa(value)) } });
export const placeholder = (...sizes: readonly number[]) =>
  node("image", "Placeholder", [], {
    dtype: { type: "DT_FLOAT" },
    shape: { shape: { dim: sizes.map((size) => ({ size: String(size) })) } },
  });
export const constant = (name: string) => node(name, "Const", [], { dtype: { type: "DT_FLOAT" } });
