/** Networks that PyTorch exported: their numbers, their gradients, and their training. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fromBytes, type TensorData, tensor } from "../../src/graph/index.ts";
import { crossEntropy, type Tensor, trace } from "../../src/nn/index.ts";
import type { OnnxModule } from "../../src/onnx/index.ts";
import { readOnnx, readOnnxModule } from "../../src/onnx/node/index.ts";
import { sgd } from "../../src/optim/index.ts";
import { differentiate } from "../../src/passes/index.ts";
import { summarize } from "../../src/summary/index.ts";
import { TrainingStep } from "../../src/train/step.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { difference, engine, normal, runFile, runGraph } from "./support.ts";

const FORWARD_TOLERANCE = 1e-5;
/** Relative norm of the difference. */
const GRADIENT_TOLERANCE = 1e-3;
const LOSS_TOLERANCE = 1e-3;
/** Of weights and running statistics after all steps, in relative norm. */
const STATE_TOLERANCE = 2e-3;

const NETWORKS = ["resnet18", "mobilenet_v2", "squeezenet1_1", "densenet121"] as const;
/**
 * Steps in which a network is followed. At random weights, ReLU6 makes MobileNetV2's training so chaotic that PyTorch's own
 * float32 and float64 part after the first.
 */
const STEPS = { resnet18: 5, mobilenet_v2: 1 } as const;
const SIZE = 64;
const CLASSES = 7;

/** Exports each network twice: as usual (batch fixed, BatchNorm folded), and as it is (`_full`, any batch). */
const EXPORT = `
import sys, warnings
warnings.filterwarnings("ignore")
import torch, torchvision
folder, size = sys.argv[1], int(sys.argv[2])
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
    torch.save(net.state_dict(), f"{folder}/{name}.pth")
    x = torch.zeros(2, 3, size, size)
    names = dict(input_names=["input"], output_names=["scores"])
    torch.onnx.export(net, x, f"{folder}/{name}.onnx", **names)
    torch.onnx.export(net, x, f"{folder}/{name}_full.onnx", training=torch.onnx.TrainingMode.PRESERVE,
        dynamic_axes={"input": {0: "batch"}, "scores": {0: "batch"}}, **names)
`;

/** Gradients in evaluation form, then steps of SGD in training form without dropout. Prints losses, keys and shapes. */
const TRAIN = `
import json, sys
import numpy as np
import torch, torchvision
import torch.nn.functional as F
folder, name, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
torch.set_num_threads(1)
net = getattr(torchvision.models, name)(num_classes=${CLASSES})
net.load_state_dict(torch.load(f"{folder}/{name}.pth"))
data = np.frombuffer(sys.stdin.buffer.read(), np.float32)
x = torch.from_numpy(data.copy()).reshape(4, 3, ${SIZE}, ${SIZE})
target = torch.arange(4) % ${CLASSES}
net.eval()
loss = F.cross_entropy(net(x), target)
loss.backward()
written, parts = [], []
def write(kind, tensors):
    for key, value in tensors:
        written.append([kind, key, list(value.shape)])
        parts.append(value.detach().double().numpy().astype(np.float32))
write("gradient", ((key, p.grad) for key, p in net.named_parameters()))
net.train()
for module in net.modules():
    if isinstance(module, torch.nn.Dropout):
        module.p = 0
optimizer = torch.optim.SGD(net.parameters(), lr=0.0001, momentum=0.9)
losses = []
for _ in range(steps):
    optimizer.zero_grad()
    step = F.cross_entropy(net(x), target)
    step.backward()
    optimizer.step()
    losses.append(step.item())
write("state", net.state_dict().items())
np.concatenate([part.ravel() for part in parts]).tofile(f"{folder}/{name}.bin")
print(json.dumps({"loss": loss.item(), "losses": losses, "tensors": written}))
`;

interface Reference {
  readonly loss: number;
  readonly losses: readonly number[];
  readonly gradients: Map<string, TensorData>;
  readonly state: Map<string, TensorData>;
}

function reference(folder: string, name: keyof typeof STEPS, x: TensorData): Reference {
  const input = new Uint8Array(x.data.buffer, x.data.byteOffset, x.data.byteLength);
  const { loss, losses, tensors } = JSON.parse(python(TRAIN, { args: [folder, name, String(STEPS[name])], input })) as {
    loss: number;
    losses: number[];
    tensors: ["gradient" | "state", string, number[]][];
  };
  const bytes = new Uint8Array(readFileSync(join(folder, `${name}.bin`)));
  const found = { gradient: new Map<string, TensorData>(), state: new Map<string, TensorData>() };
  let offset = 0;
  for (const [kind, key, shape] of tensors) {
    const length = 4 * shape.reduce((a, b) => a * b, 1);
    found[kind].set(key, fromBytes("float32", shape, bytes.subarray(offset, offset + length)));
    offset += length;
  }
  return { loss, losses, gradients: found.gradient, state: found.state };
}

function relativeNorm(actual: TensorData, wanted: TensorData): number {
  let [error, norm] = [0, 0];
  for (let i = 0; i < wanted.data.length; i++) {
    error += (Number(actual.data[i]) - Number(wanted.data[i])) ** 2;
    norm += Number(wanted.data[i]) ** 2;
  }
  return Math.sqrt(error) / Math.max(Math.sqrt(norm), 1e-6);
}

const target = tensor(
  "float32",
  [4, CLASSES],
  Float32Array.from({ length: 4 * CLASSES }, (_, i) => (i % CLASSES === Math.floor(i / CLASSES) ? 1 : 0)),
);

describe("networks of torchvision", unless(pythonSkipReason("torch", "torchvision", "onnx")), () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "convnets-foreign-"));
    python(EXPORT, { args: [folder, String(SIZE), ...NETWORKS] });
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
      const keys = python(
        `import sys, json, torch\nprint(json.dumps([[k, list(v.shape)] for k, v in torch.load(sys.argv[1]).items()]))`,
        { args: [join(folder, `${name}.pth`)] },
      );
      const wanted = JSON.parse(keys) as [string, number[]][];
      expect(Object.fromEntries(model.stateShapes())).toEqual(Object.fromEntries(wanted));
      const { rows, totals } = summarize(model, { input: [1, 3, SIZE, SIZE] });
      const parameters = wanted.filter(([key]) => !/running_|num_batches/.test(key));
      expect(totals.params).toBe(parameters.reduce((sum, [, shape]) => sum + shape.reduce((a, b) => a * b, 1), 0));
      const layers = rows.filter(({ ownParams }) => ownParams > 0).map(({ path }) => path);
      expect(new Set(layers)).toEqual(new Set(parameters.map(([key]) => key.slice(0, key.lastIndexOf(".")))));
    });
  });

  describe.each(Object.keys(STEPS) as (keyof typeof STEPS)[])("%s", (name) => {
    const x = normal([4, 3, SIZE, SIZE], 3);
    let model: OnnxModule;
    let wanted: Reference;
    beforeAll(async () => {
      model = await readOnnxModule(join(folder, `${name}_full.onnx`));
      wanted = reference(folder, name, x);
    }, 120_000);

    it("has PyTorch's gradients for every parameter", async () => {
      model.eval();
      const { graph, tracer, outputs } = trace(model, ["N", 3, SIZE, SIZE]);
      const loss = crossEntropy(outputs.output as Tensor, tracer.input("target", ["N", CLASSES]));
      const parameters = new Set([...model.parameters()].map(([key]) => key));
      const trained = graph.parameters.filter(({ name }) => parameters.has(name));
      const { graph: backward, gradients } = differentiate(graph, loss.value, trained);
      backward.outputs.clear();
      backward.output("loss", loss.value);
      for (const value of trained) backward.output(`d ${value.name}`, gradients.get(value)!);
      const results = await runGraph(backward, model.stateDict(), { input: x, target });
      expect(Math.abs(Number(results.loss!.data[0]) / wanted.loss - 1)).toBeLessThan(1e-4);
      expect(trained.map((value) => value.name).sort()).toEqual([...wanted.gradients.keys()].sort());
      for (const [key, gradient] of wanted.gradients) {
        expect(relativeNorm(results[`d ${key}`]!, gradient), key).toBeLessThan(GRADIENT_TOLERANCE);
      }
    }, 120_000);

    it("trains as PyTorch trains it, running statistics included", async () => {
      model.train();
      const step = await TrainingStep.create(model, {
        engine,
        input: ["N", 3, SIZE, SIZE],
        optimizer: sgd({ momentum: 0.9 }),
        dropout: false,
      });
      try {
        for (const loss of wanted.losses) {
          const result = await step.run({ input: x, target }, 0.0001);
          expect(Math.abs(result.loss / loss - 1)).toBeLessThan(LOSS_TOLERANCE);
        }
        const weights = await step.weights();
        expect([...weights.keys()].sort()).toEqual([...wanted.state.keys()].sort());
        for (const [key, value] of wanted.state) {
          expect(relativeNorm(weights.get(key)!, value), key).toBeLessThan(STATE_TOLERANCE);
        }
      } finally {
        await step.dispose();
      }
    }, 120_000);
  });
});
