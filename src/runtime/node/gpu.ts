import type { InferenceSession } from "onnxruntime-common";
import { type DType, Graph } from "../../graph/index.ts";
import { encode } from "../../onnx/index.ts";
import type { Ort } from "../ort.ts";
import { type Download, ownArrays } from "../ort-tensor.ts";

/**
 * Copies tensors out of the memory of a GPU. onnxruntime-node 1.30 keeps outputs there and takes them as inputs, but the `getData` of
 * such a tensor is not implemented. What it does copy is the output of a session: here, of one that returns its input.
 */
export function downloads(ort: Ort, options: InferenceSession.SessionOptions): Download {
  const sessions = new Map<string, Promise<InferenceSession>>();
  const own = ownArrays(ort);
  return async (tensor) => {
    if (tensor.location !== "gpu-buffer") return tensor.getData();
    const kind = `${tensor.type}[${tensor.dims.map(() => "")}]`;
    const model = () => own("uint8", encode(identity(tensor.type as DType, tensor.dims.length))) as Uint8Array;
    const session = sessions.get(kind) ?? ort.InferenceSession.create(model(), { logSeverityLevel: 3, ...options });
    sessions.set(kind, session);
    const { y } = await (await session).run({ x: tensor });
    return y!.data;
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
