import { cpSync, mkdtempSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { readOnnx } from "../../src/onnx/node/index.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { difference, normal, runFile, runGraph } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-external-"));
afterAll(() => rmSync(folder, { recursive: true }));

it("weights in another file are read as Python's onnx wrote them", unless(pythonSkipReason("onnx")), async () => {
  python(
    `
import sys
import numpy as np, onnx
from onnx import helper, numpy_helper, TensorProto
np.random.seed(0)
names = [f"w{i}" for i in range(3)]
weights = [numpy_helper.from_array(np.random.randn(4, 4).astype(np.float32), name) for name in names]
nodes = [helper.make_node("MatMul", ["x" if i == 0 else f"v{i}", f"w{i}"], [f"v{i + 1}" if i < 2 else "y"]) for i in range(3)]
info = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4])
graph = helper.make_graph(nodes, "g", [info("x")], [info("y")], weights)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.save_model(model, sys.argv[1] + "/one.onnx", save_as_external_data=True, location="one.data", size_threshold=0)
`,
    { args: [folder] },
  );
  const path = join(folder, "one.onnx");
  const { graph, weights } = await readOnnx(path);
  const x = normal([3, 4]);
  expect(difference((await runGraph(graph, weights, { x })).y!, (await runFile(path, { x })).y!)).toBeLessThan(1e-6);
  const copy = mkdtempSync(join(folder, "copy-"));
  cpSync(path, join(copy, "one.onnx"));
  cpSync(join(folder, "one.data"), join(copy, "one.data"));
  truncateSync(join(copy, "one.data"), 100);
  await expect(readOnnx(join(copy, "one.onnx"))).rejects.toThrow(
    /one\.onnx: the initializer "w\d": "one\.data" has 100 bytes/,
  );
});
