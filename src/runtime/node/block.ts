import { Graph } from "../../graph/index.ts";
import { encode } from "../../onnx/index.ts";
import type { Ort } from "../ort.ts";

const known = new WeakMap<Ort, Promise<number | undefined>>();

/**
 * Channels of a block in which ONNX Runtime lays out images for its fastest convolutions: 16 with AVX-512, 8 with AVX2; undefined
 * where it has no such layout. It is found by having 16 channels of two pixels laid out.
 */
export function blockSize(ort: Ort): Promise<number | undefined> {
  const size = known.get(ort) ?? measure(ort);
  known.set(ort, size);
  return size;
}

async function measure(ort: Ort): Promise<number | undefined> {
  const [channels, pixels] = [16, 2];
  const shape = [1, channels, 1, pixels];
  const graph = new Graph("block size");
  const node = graph.add(
    { op: "ReorderInput", domain: "com.microsoft.nchwc", inputs: [graph.input("x", "float32", shape)] },
    [{ dtype: "float32", shape }],
  );
  graph.output("y", node.outputs[0]!);
  try {
    const session = await ort.InferenceSession.create(encode(graph), { intraOpNumThreads: 1, logSeverityLevel: 4 });
    const x = new ort.Tensor(
      "float32",
      Float32Array.from({ length: channels * pixels }, (_, i) => i),
      shape,
    );
    const { y } = await session.run({ x });
    await session.release();
    // the second pixel of the first channel stands behind the first pixels of its block
    const size = Array.from(y!.data as Float32Array).indexOf(1);
    return size > 1 ? size : undefined;
  } catch {
    return undefined;
  }
}
