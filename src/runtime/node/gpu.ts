import type { InferenceSession } from "onnxruntime-common";
import { type DType, Graph } from "../../graph/index.ts";
import { encode } from "../../onnx/index.ts";
import type { GpuMemory, Ort } from "../ort.ts";
import { type Download, ownArrays } from "../ort-tensor.ts";

/** Runs without a read after which one is made: the memory that inputs were uploaded from is freed only by a read. */
const RUNS = 16;

/**
 * Tensors in the memory of a GPU. onnxruntime-node 1.30 keeps outputs there and takes them as inputs, but the `getData` of such a tensor
 * throws. The outputs of a session are copied, so a tensor is read through a session that returns its input.
 */
export function gpuMemory(ort: Ort, options: InferenceSession.SessionOptions): GpuMemory {
  const sessions = new Map<string, Promise<InferenceSession>>();
  const own = ownArrays(ort);
  let unread = 0;
  const download: Download = async (tensor) => {
    if (tensor.location !== "gpu-buffer") return tensor.getData();
    unread = 0;
    const kind = `${tensor.type}[${tensor.dims.map(() => "")}]`;
    const model = () => own("uint8", encode(identity(tensor.type as DType, tensor.dims.length))) as Uint8Array;
    const session = sessions.get(kind) ?? ort.InferenceSession.create(model(), { logSeverityLevel: 3, ...options });
    sessions.set(kind, session);
    const { y } = await (await session).run({ x: tensor });
    return y!.data;
  };
  return {
    writesInto: false,
    download,
    async kept(outputs) {
      unread++;
      if (unread < RUNS || outputs.length === 0) return;
      await download(outputs.reduce((least, output) => (output.size < least.size ? output : least)));
    },
  };
}

/** x [any sizes] → y = x */
function identity(dtype: DType, rank: number): Graph {
  const graph = new Graph("copy");
  const shape = Array.from({ length: rank }, (_, axis) => `d${axis}`);
  const x = graph.input("x", dtype, shape);
  const { outputs } = graph.add({ op: "Identity", inputs: [x] }, [{ dtype, shape }]);
  graph.output("y", outputs[0]!);
  return graph;
}
