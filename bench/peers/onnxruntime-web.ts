import { createModel, trace } from "convnets";
import { encode } from "convnets/onnx";
import { logSoftmax, simplify } from "convnets/passes";
import { pictures, serve } from "./protocol.mjs";

/** What JavaScript had before: the same inference graph on WebAssembly. It has no training. */
await serve(async ({ network, mode, batch, size }) => {
  if (mode !== "infer") return undefined;
  const ort = await import("onnxruntime-web").catch(() => undefined);
  if (!ort) return undefined;
  ort.env.wasm.numThreads = 2;
  const model = createModel(network).initialize(1);
  const graph = simplify(logSoftmax(trace(model, ["N", 3, size, size]).graph));
  const session = await ort.InferenceSession.create(encode(graph, { weights: model.stateDict() }));
  const input = new ort.Tensor("float32", pictures(batch * 3 * size * size), [batch, 3, size, size]);
  return async () => {
    await session.run({ input });
  };
});
