/** Networks that PyTorch exported: their numbers, and their training beside PyTorch's (see networks/suite.ts). */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TensorData, tensor } from "../../src/graph/index.ts";
import { trace } from "../../src/nn/index.ts";
import { onnxModule } from "../../src/onnx/index.ts";
import { readOnnx, readOnnxModule } from "../../src/onnx/node/index.ts";
import { summarize } from "../../src/summary/index.ts";
import type { Case } from "../networks/cases.ts";
import { compare, type Kind, TOLERANCES, worst } from "../networks/compare.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { difference, normal, runFile, runGraph } from "./support.ts";

const FORWARD_TOLERANCE = 1e-5;

const NETWORKS = ["resnet18", "mobilenet_v2", "squeezenet1_1", "densenet121"] as const;
const SIZE = 64;
const CLASSES = 7;

/**
 * Exports each network twice: as usual (batch fixed, BatchNorm folded), and as it is (`_full`, any batch). Prints the keys and
 * shapes of their state dicts.
 */
const EXPORT = `
import json, sys, warnings
warnings.filterwarnings("ignore")
import torch, torchvision
folder, size = sys.argv[1], int(sys.argv[2])
states = {}
for name in sys.argv[3:]:
    torch.manual_seed(0)
    net = getattr(torchvision.models, name)(num_classes=${CLASSES})
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
    net.eval()
    states[name] = [[key, list(value.shape)] for key, value in net.state_dict().items()]
    x = torch.zeros(2, 3, size, size)
    names = dict(input_names=["input"], output_names=["scores"])
    torch.onnx.export(net, x, f"{folder}/{name}.onnx", **names)
    torch.onnx.export(net, x, f"{folder}/{name}_full.onnx", training=torch.onnx.TrainingMode.PRESERVE,
        dynamic_axes={"input": {0: "batch"}, "scores": {0: "batch"}}, **names)
print(json.dumps(states))
`;

describe("networks of torchvision", unless(pythonSkipReason("torch", "torchvision", "onnx")), () => {
  let folder: string;
  let states: Record<(typeof NETWORKS)[number], [key: string, shape: number[]][]>;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "convnets-foreign-"));
    states = JSON.parse(python(EXPORT, { args: [folder, String(SIZE), ...NETWORKS] }));
  }, 300_000);
  afterAll(() => rmSync(folder, { recursive: true }));

  describe.each(NETWORKS)("%s", (name) => {
    it.each(["", "_full"])(
      "gives ONNX Runtime's numbers (%s)",
      async (form) => {
        const path = join(folder, `${name}${form}.onnx`);
        const { graph, weights } = await readOnnx(path, { batch: "N" });
        expect(graph.outputs.get("scores")?.shape).toEqual(["N", CLASSES]);
        const input = normal([2, 3, SIZE, SIZE]);
        const wanted = (await runFile(path, { input })).scores!;
        expect(difference((await runGraph(graph, weights, { input })).scores!, wanted)).toBeLessThan(FORWARD_TOLERANCE);
      },
      60_000,
    );

    it.each(["", "_full"])(
      "is a module with the same numbers, for other sizes and batches too (%s)",
      async (form) => {
        const path = join(folder, `${name}${form}.onnx`);
        const model = (await readOnnxModule(path)).eval();
        const input = normal([2, 3, SIZE, SIZE]);
        const run = async (input: TensorData) => {
          const { graph } = trace(model, ["N", ...input.shape.slice(1)]);
          return (await runGraph(graph, model.stateDict(), { input })).output!;
        };
        const both = await run(input);
        expect(difference(both, (await runFile(path, { input })).scores!)).toBeLessThan(FORWARD_TOLERANCE);
        const half = 3 * SIZE * SIZE;
        const second = await run(tensor("float32", [1, 3, SIZE, SIZE], (input.data as Float32Array).slice(half)));
        const wanted = tensor("float32", [1, CLASSES], (both.data as Float32Array).slice(CLASSES));
        expect(difference(second, wanted)).toBeLessThan(FORWARD_TOLERANCE);
        expect((await run(normal([1, 3, 96, 80]))).shape).toEqual([1, CLASSES]);
      },
      60_000,
    );

    it("has PyTorch's parameters, in a table of layers", async () => {
      const model = await readOnnxModule(join(folder, `${name}_full.onnx`));
      const wanted = states[name];
      expect(Object.fromEntries(model.stateShapes())).toEqual(Object.fromEntries(wanted));
      const { rows, totals } = summarize(model, { input: [1, 3, SIZE, SIZE] });
      const parameters = wanted.filter(([key]) => !/running_|num_batches/.test(key));
      expect(totals.params).toBe(parameters.reduce((sum, [, shape]) => sum + shape.reduce((a, b) => a * b, 1), 0));
      const layers = rows.filter(({ ownParams }) => ownParams > 0).map(({ path }) => path);
      expect(new Set(layers)).toEqual(new Set(parameters.map(([key]) => key.slice(0, key.lastIndexOf(".")))));
    });
  });

  it.each(["resnet18", "mobilenet_v2"])(
    "%s has PyTorch's gradients, and trains as it does",
    async (name) => {
      const bytes = readFileSync(join(folder, `${name}_full.onnx`));
      const example: Case = {
        create: () => onnxModule(bytes),
        python: `__import__("torchvision").models.${name}(num_classes=${CLASSES})`,
        classes: CLASSES,
        evalSide: SIZE,
        // at 64×64, batch normalization would have 12 values a channel at the end, and rounding would count for more
        training: { side: 96, batch: 3, lr: 1e-3 },
      };
      const [found] = await compare(example, ["torch", "torchvision"], [{ seed: 1, steps: 1 }]);
      for (const kind of Object.keys(TOLERANCES) as Kind[]) expect(worst(found!, kind), kind).toBeUndefined();
    },
    300_000,
  );
});
