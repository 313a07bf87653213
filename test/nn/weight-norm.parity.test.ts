/** Weight normalization against torch.nn.utils.parametrizations.weight_norm. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { draw } from "../../src/draw/index.ts";
import { fromBytes, type TensorData, toBytes } from "../../src/graph/index.ts";
import { compile } from "../../src/infer/index.ts";
import * as nn from "../../src/nn/index.ts";
import { exportOnnx, onnxModule } from "../../src/onnx/index.ts";
import { sgd } from "../../src/optim/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { summarize } from "../../src/summary/index.ts";
import { mseLoss, oneHot, TrainingStep } from "../../src/train/index.ts";
import { Draw } from "../support/draw.ts";
import { expectClose, family } from "../support/family.ts";
import { checkFamily } from "../support/gradients.ts";
import { python } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { modernTorchSkipReason } from "./modern.ts";

const engine = nodeEngine({ threads: 1 });
const modern = modernTorchSkipReason();

const net = () =>
  new nn.Sequential(
    nn.weightNorm(new nn.Conv2d(3, 4, 3)),
    new nn.ReLU(),
    nn.weightNorm(new nn.ConvTranspose2d(4, 2, 2), { dim: 1 }),
    new nn.Flatten(),
    nn.weightNorm(new nn.Linear(50, 3), { dim: null }),
  );

const SCRIPT = `
import base64, json, sys
import numpy as np
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

def read(t):
    return torch.from_numpy(np.frombuffer(base64.b64decode(t["data"]), "float32").reshape(t["shape"]).copy())

def write(v):
    return {"shape": list(v.shape), "data": base64.b64encode(np.ascontiguousarray(v.detach().numpy())).decode()}

given = json.load(sys.stdin)
net = nn.Sequential(weight_norm(nn.Conv2d(3, 4, 3)), nn.ReLU(), weight_norm(nn.ConvTranspose2d(4, 2, 2), dim=1), nn.Flatten(), weight_norm(nn.Linear(50, 3), dim=None))
keys = list(net.state_dict())
net.load_state_dict({key: read(value) for key, value in given["state"].items()}, strict=True)
x = read(given["x"])
before = net(x)
loss = nn.functional.mse_loss(before, read(given["target"]))
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
loss.backward()
optimizer.step()
state = {key: write(value) for key, value in net.state_dict().items()}
print(json.dumps({"keys": keys, "before": write(before), "loss": loss.item(), "state": state, "after": write(net(x)), "weight": write(net[0].weight)}))
`;

interface Wire {
  shape: number[];
  data: string;
}
const toWire = (t: TensorData): Wire => ({ shape: [...t.shape], data: Buffer.from(toBytes(t)).toString("base64") });
const fromWire = ({ shape, data }: Wire): TensorData => fromBytes("float32", shape, Buffer.from(data, "base64"));

describe("weightNorm", () => {
  it("has PyTorch's values and gradients for any axis", unless(modern), () => {
    const sizes = fc.tuple(...[3, 3, 2].map((max) => fc.integer({ min: 1, max })));
    const geometry = fc.record({ sizes, dim: fc.constantFrom(0, 1, 2, 3, null) });
    return checkFamily(
      family(geometry, ({ sizes: [O = 1, C = 1, k = 1], dim }, N, draw) => {
        const shape = [O, C, k, 2];
        const length = dim === null ? [] : shape.map((size, axis) => (axis === dim ? size : 1));
        return {
          inputs: [draw.uniform([N, C, 4, 5]), draw.uniform(length, 0.5, 2), draw.uniform(shape, 0.2, 1)],
          wrt: [0, 1, 2],
          build: ([x, g, v]) => {
            const { weight } = nn.weightNorm(new nn.Conv2d(C, O, [k, 2]), { dim });
            return nn.F.conv2d(x!, (weight as nn.Parametrized).compute([g!, v!]));
          },
          torch: `F.conv2d(x[0], torch._weight_norm(x[2], x[1], ${dim ?? -1}))`,
        };
      }),
    );
  });

  it("loads PyTorch's weights and is loaded by it, and one SGD step leads to the same", unless(modern), async () => {
    const model = net().initialize(4);
    const x = new Draw(1).uniform([2, 3, 6, 6], -1, 1);
    const target = oneHot([2, 0], 3);
    const state = Object.fromEntries([...model.stateDict()].map(([key, value]) => [key, toWire(value)]));
    const reply = JSON.parse(
      python(SCRIPT, { input: JSON.stringify({ state, x: toWire(x), target: toWire(target) }), modules: ["torch"] }),
    ) as { keys: string[]; before: Wire; loss: number; state: Record<string, Wire>; after: Wire; weight: Wire };
    expect([...model.stateShapes().keys()]).toEqual(reply.keys);
    const numbers = async () => {
      const predict = await compile(model, { engine });
      const y = (await predict(x)) as TensorData;
      await predict.dispose();
      return y;
    };
    expectClose(await numbers(), fromWire(reply.before), 1e-5, "output");
    const step = await TrainingStep.create(model, {
      engine,
      input: ["N", 3, 6, 6],
      loss: mseLoss(),
      optimizer: sgd({ momentum: 0 }),
    });
    await step.run([{ input: x, target }], 0.1);
    const trained = await step.state();
    await step.dispose();
    for (const key of reply.keys) expectClose(trained.get(key)!, fromWire(reply.state[key]!), 1e-5, key);
    model.loadStateDict(new Map(Object.entries(reply.state).map(([key, value]) => [key, fromWire(value)])));
    expectClose(await numbers(), fromWire(reply.after), 1e-5, "output after the step");

    const { bytes } = exportOnnx(model, { input: ["N", 3, 6, 6] });
    const predict = await compile(onnxModule(bytes), { engine });
    expectClose((await predict(x)) as TensorData, fromWire(reply.after), 1e-5, "output of the .onnx file");
    await predict.dispose();
    const first = model[0] as nn.Conv2d;
    expectClose(first.weight.data!, fromWire(reply.weight), 1e-6, "the weight that it stands for");
    for (const i of [0, 2, 4]) nn.removeParametrizations(model[i]!);
    expect([...model.stateShapes().keys()].filter((key) => key.includes("original"))).toEqual([]);
    expectClose(await numbers(), fromWire(reply.after), 1e-5, "output with plain weights");
  });
});

describe("a module with a normalized weight", () => {
  const plain = () => new nn.Sequential(new nn.Conv2d(3, 4, 3), new nn.ReLU());
  const normalized = () => {
    const model = plain();
    nn.weightNorm(model[0]!);
    return model;
  };

  it("starts with the weight that it has without", () => {
    const weight = (model: nn.Sequential) => (model.initialize(5)[0] as nn.Conv2d).weight.data!;
    expectClose(weight(normalized()), weight(plain()), 1e-6, "weight");
    const later = plain().initialize(5);
    expectClose((nn.weightNorm(later[0]!) as nn.Conv2d).weight.data!, weight(plain()), 1e-6, "weight");
  });

  it("is summarized and drawn as the layer that it is", () => {
    const [a, b] = [plain(), normalized()].map((model) => summarize(model, { input: [1, 3, 8, 8] }));
    expect(b!.rows.map(({ type, multAdds, leaf }) => [type, multAdds, leaf])).toEqual(
      a!.rows.map(({ type, multAdds, leaf }) => [type, multAdds, leaf]),
    );
    expect(b!.totals.weightLayers).toBe(1);
    expect(b!.totals.params).toBe(a!.totals.params + 4);
    const boxes = (model: nn.Module) =>
      [...draw(model, { input: [1, 3, 8, 8] }).matchAll(/<text[^>]*>([^<]*)</g)].map(([, text]) => text);
    expect(boxes(normalized())).toContain("conv 3×3");
    expect(boxes(normalized()).length).toBe(boxes(plain()).length);
  });

  it("can be frozen and set like any other", () => {
    const conv = nn.weightNorm(new nn.Conv2d(1, 2, 1)) as nn.Conv2d & { weight: nn.Parametrized };
    conv.weight.requiresGrad = false;
    const trained = [...conv.parameters()].filter(([, { requiresGrad }]) => requiresGrad).map(([key]) => key);
    expect([trained, conv.weight.requiresGrad]).toEqual([["bias"], false]);
    conv.weight.data = { dtype: "float32", shape: [2, 1, 1, 1], data: Float32Array.of(3, -2) };
    expect(conv.weight.originals.map(({ data }) => [...data!.data])).toEqual([
      [3, 2],
      [3, -2],
    ]);
    expect([...conv.weight.data!.data]).toEqual([3, -2]);
    conv.weight.initializer = nn.init.ones;
    expect([...conv.initialize().weight.data!.data]).toEqual([1, 1]);
  });

  it("refuses what has no such weight", () => {
    expect(() => nn.weightNorm(new nn.ReLU())).toThrow('weightNorm: ReLU has no weight "weight"');
    expect(() => nn.weightNorm(new nn.Linear(2, 3), { dim: 2 })).toThrow("dim has to be an axis of [3, 2] or null");
    expect(() => nn.weightNorm(new nn.Linear(2, 3), { axis: 1 } as never)).toThrow('there is no option "axis"');
    expect(() => nn.weightNorm(nn.weightNorm(new nn.Linear(2, 3)))).toThrow("is computed from others already");
    expect(() => nn.removeParametrizations(new nn.Linear(2, 3))).toThrow('"weight" of Linear is a plain weight');
  });
});
