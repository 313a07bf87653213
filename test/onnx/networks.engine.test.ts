/** Networks with many kinds of operators, exported, run as they are, and imported as modules. */
import { expect, it } from "vitest";
import { createModel, type ModelName } from "../../src/models/index.ts";
import { trace } from "../../src/nn/index.ts";
import { exportOnnx, onnxModule } from "../../src/onnx/index.ts";
import { difference, normal, runFile, runGraph } from "./support.ts";

it.each<ModelName>(["shufflenet_v2_x1_0", "mobilenet_v3_small", "efficientnet_b0"])(
  "%s gives the same numbers as a file in ONNX Runtime, and as a module that is read from it",
  async (name) => {
    const model = createModel(name, { numClasses: 10 }).initialize(1);
    const input = ["N", 3, 64, 64] as const;
    const images = normal([2, 3, 64, 64]);
    const { output } = await runGraph(trace(model, input).graph, model.stateDict(), { input: images });
    const { bytes } = exportOnnx(model, { input });
    expect(difference((await runFile(bytes, { input: images })).output!, output!)).toBeLessThan(1e-5);

    const imported = onnxModule(bytes, { name });
    const again = await runGraph(trace(imported, input).graph, imported.stateDict(), { input: images });
    expect(difference(Object.values(again)[0]!, output!)).toBeLessThan(1e-5);
  },
);
