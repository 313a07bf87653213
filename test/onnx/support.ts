/** Graphs and files of models run by ONNX Runtime. */
import * as ort from "onnxruntime-node";
import { type Graph, type TensorData, type TypedArray, tensor } from "../../src/graph/index.ts";
import { Random } from "../../src/random.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";

export type Feeds = Readonly<Record<string, TensorData>>;

/** Runs the file as it is. */
export async function runFile(model: Uint8Array | string, feeds: Feeds): Promise<Record<string, TensorData>> {
  const session = await ort.InferenceSession.create(model as string, { intraOpNumThreads: 1 });
  const given = Object.entries(feeds).map(([name, { dtype, shape, data }]) => [
    name,
    new ort.Tensor(dtype as "float32", data as Float32Array, shape),
  ]);
  const results = await session.run(Object.fromEntries(given));
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, value]) => [
      name,
      { dtype: value.type, shape: value.dims, data: value.data as TypedArray } as TensorData,
    ]),
  );
}

export const engine = nodeEngine({ threads: 1 });

/** Runs a graph through the library's engine. */
export async function runGraph(
  graph: Graph,
  weights: ReadonlyMap<string, TensorData>,
  feeds: Feeds,
): Promise<Record<string, TensorData>> {
  const executable = await engine.compile(graph, { weights });
  try {
    const results = await executable.run(feeds);
    const read = Object.entries(results).map(async ([name, value]) => [name, await value.read()] as const);
    return Object.fromEntries(await Promise.all(read));
  } finally {
    await executable.dispose();
  }
}

/** Normal numbers that depend on the seed alone. */
export function normal(shape: readonly number[], seed = 1): TensorData<"float32"> {
  const random = new Random(seed, "normal");
  const count = shape.reduce((product, size) => product * size, 1);
  return tensor(
    "float32",
    shape,
    Float32Array.from({ length: count }, () => random.normal()),
  );
}

/** Largest difference, as a share of the largest number wanted. */
export function difference(actual: TensorData, wanted: TensorData): number {
  if (String(actual.shape) !== String(wanted.shape)) return Infinity;
  let largest = 0;
  let worst = 0;
  for (let i = 0; i < wanted.data.length; i++) {
    const [a, b] = [Number(actual.data[i]), Number(wanted.data[i])];
    if (Number.isNaN(a) || Number.isNaN(b)) return Infinity;
    largest = Math.max(largest, Math.abs(b));
    worst = Math.max(worst, Math.abs(a - b));
  }
  return worst / Math.max(largest, 1e-6);
}
