import { type Graph, numel, type TensorData, zeros } from "../graph/index.ts";
import { imagesApart } from "../passes/index.ts";
import type { CompileOptions, DeviceTensor, Feeds } from "./engine.ts";

/*
 * A large batch takes as much time per image as a smaller one, but more memory. So it runs in parts if every image is computed by itself.
 */

/** Bytes that the tensors of a part may always take. */
const LARGE = 2 ** 27;

/** How a batch is divided. */
export interface Parts {
  /** The name of its size. */
  readonly batch: string;
  /** Images of a part, at most. */
  readonly images: number;
}

/**
 * Parts whose tensors take at most as much memory as the weights, or LARGE if that is more. Every part reads the weights once, so smaller parts would
 * take longer. Undefined if a batch has to run as a whole.
 */
export function partsOf(graph: Graph, weights: CompileOptions["weights"]): Parts | undefined {
  const apart = imagesApart(graph);
  if (!apart) return undefined;
  const parameters = graph.parameters.map(({ name }) => weights?.get(name)?.data.byteLength ?? 0);
  const total = parameters.reduce((sum, bytes) => sum + bytes, 0);
  return { batch: apart.batch, images: Math.max(1, Math.floor(Math.max(LARGE, total) / apart.bytes)) };
}

/** Images `start` to `end` of a batch, as a view. */
const images = ({ dtype, shape: [, ...rest], data }: TensorData, start: number, end: number): TensorData => {
  const each = numel(rest);
  return { dtype, shape: [end - start, ...rest], data: data.subarray(start * each, end * each) } as TensorData;
};

/** Runs parts of equal size, or of one image less, one after the other, and joins their outputs. */
export async function runParts(
  batches: Readonly<Record<string, TensorData | DeviceTensor>>,
  size: number,
  { images: most }: Parts,
  run: (part: Feeds) => Promise<Record<string, DeviceTensor>>,
): Promise<Record<string, TensorData>> {
  const whole: [string, TensorData][] = [];
  for (const [name, given] of Object.entries(batches)) whole.push([name, "read" in given ? await given.read() : given]);
  const joined: Record<string, TensorData> = {};
  const count = Math.ceil(size / most);
  for (let i = 0; i < count; i++) {
    const [start, end] = [Math.floor((i * size) / count), Math.floor(((i + 1) * size) / count)];
    const results = await run(Object.fromEntries(whole.map(([name, data]) => [name, images(data, start, end)])));
    for (const [name, result] of Object.entries(results)) {
      const { dtype, shape, data } = await result.read();
      joined[name] ??= zeros(dtype, [size, ...shape.slice(1)]);
      (joined[name].data as Float32Array).set(data as Float32Array, start * numel(shape.slice(1)));
    }
  }
  return joined;
}
