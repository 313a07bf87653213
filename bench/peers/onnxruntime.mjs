import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as ort from "onnxruntime-node";
import { pictures, serve } from "./protocol.mjs";

const threads = Number(process.env.BENCH_THREADS);

/** ONNX Runtime as anyone would use it: PyTorch's own export of the network, default options. It has no training. */
await serve(async (given) => {
  const { mode, batch, size } = given;
  if (mode !== "infer") return undefined;
  const folder = mkdtempSync(join(tmpdir(), "convnets-bench-"));
  const file = join(folder, "network.onnx");
  const script = fileURLToPath(new URL("./pytorch.py", import.meta.url));
  const { stdout } = spawnSync(process.env.PYTHON_TORCH ?? "python3", [script, "onnx", file], {
    input: `${JSON.stringify(given)}\n`,
    encoding: "utf8",
  });
  if (stdout?.trim() !== "ready") return undefined;
  const session = await ort.InferenceSession.create(file, threads ? { intraOpNumThreads: threads } : {});
  rmSync(folder, { recursive: true });
  const input = new ort.Tensor("float32", pictures(batch * 3 * size * size), [batch, 3, size, size]);
  return async () => {
    await session.run({ input });
  };
});
