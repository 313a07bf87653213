import { Float, Graph, numel, type TensorData, type Value } from "../../../src/graph/index.ts";
import { Ops } from "../../../src/operators/index.ts";
import { assertClose, type Case, floats, numbers, using } from "../case.ts";
import reference from "../reference.json" with { type: "json" };
import { OUTPUT_TOLERANCE, uniform } from "./networks.ts";

export const operators: Case = {
  name: "operators that engines lack or get wrong give PyTorch's numbers",
  async run(setting) {
    const engine = await setting.engine();
    const graph = new Graph("operators");
    const g = new Ops(graph, { target: engine.target });
    const feeds: Record<string, TensorData> = {};
    const input = (name: string, shape: readonly number[]) => {
      feeds[name] = floats(shape, uniform(numel(shape), name));
      return graph.input(name, "float32", shape);
    };
    const image = input("image", [2, 6, 5, 5]);
    const outputs: Record<keyof typeof reference.operators, Value> = {
      conv: g.one("Conv", [image, input("conv", [8, 6, 3, 3])], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
      grouped: g.one("Conv", [image, input("grouped", [12, 3, 3, 3])], { strides: [2, 2], group: 2 }),
      transposed: g.one("ConvTranspose", [image, input("transposed", [6, 1, 3, 3])], { strides: [2, 2], group: 3 }),
      backwards: g.slice(image, [[2, 3, -6, -2]]),
      response: g.one("LRN", [image], { size: 3, alpha: new Float(0.5), beta: new Float(0.75), bias: new Float(1) }),
      log_softmax: g.one("LogSoftmax", [image], { axis: 1 }),
      sum: g.sum([image, g.exp(image), g.one("Abs", [image])]),
    };
    for (const [name, value] of Object.entries(outputs)) graph.output(`${name} of image`, value);
    await using(engine.compile(graph), async (executable) => {
      const results = await executable.run(feeds);
      for (const [name, wanted] of Object.entries(reference.operators))
        assertClose(await numbers(results[`${name} of image`]), wanted, OUTPUT_TOLERANCE, name);
    });
  },
};
