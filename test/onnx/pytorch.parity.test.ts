/** PyTorch source of networks: it loads their weights strictly, gives the same numbers, and trains. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { encodeTorch } from "../../src/checkpoint/index.ts";
import { type TensorData, tensor } from "../../src/graph/index.ts";
import { compile } from "../../src/infer/index.ts";
import { createModel } from "../../src/models/index.ts";
import {
  Conv2d,
  Dropout2d,
  F,
  GroupNorm,
  Linear,
  Module,
  Sequential,
  StochasticDepth,
  type Tensor,
} from "../../src/nn/index.ts";
import { exportOnnx, onnxModule, pytorchSource } from "../../src/onnx/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";

/** What the registered networks do not use. */
class Odd extends Module<Record<string, Tensor>> {
  stem = new Conv2d(3, 8, 3, { stride: 2, bias: false });
  norm = new GroupNorm(2, 8);
  body = new Sequential(new Conv2d(8, 8, 3, { padding: 1, groups: 8 }), new Dropout2d(0.3), new StochasticDepth(0.2));
  head = new Linear(8, 5);
  forward(x: Tensor) {
    x = F.gelu(this.norm.call(this.stem.call(x)));
    x = F.avgPool2d(x, 2, { ceilMode: true });
    x = x.add(this.body.call(x)).narrow(2, 1, 5);
    x = F.maxPool2d(x, 3, { stride: 2, padding: 1, ceilMode: true });
    const features = x.mean([2, 3]);
    return { logits: this.head.call(features).mul(0.5), features };
  }
}

const NETWORKS: Readonly<Record<string, () => { model: Module; side: number }>> = {
  inception_small: () => ({ model: createModel("inception_small", { numClasses: 10 }), side: 32 }),
  shufflenet: () => ({ model: createModel("shufflenet_v2_x1_0", { numClasses: 10 }), side: 64 }),
  odd: () => ({ model: new Odd(), side: 32 }),
  imported: () => {
    const model = createModel("vgg_small", { numClasses: 10 }).initialize(1);
    const { bytes } = exportOnnx(model, { input: ["N", 3, 32, 32], dropout: true });
    return { model: onnxModule(bytes), side: 32 };
  },
};

const SCRIPT = `
import sys, json, torch, importlib.util
torch.set_num_threads(1)
for name in json.loads(sys.argv[2]):
    at = sys.argv[1] + "/" + name
    spec = importlib.util.spec_from_file_location(name, at + ".py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    net = next(v for v in vars(module).values() if isinstance(v, type) and v.__module__ == name)()
    weights = torch.load(at + ".pth", weights_only=True)
    net.load_state_dict(weights, strict=True)
    assert list(net.state_dict()) == list(weights), name
    wanted = torch.load(at + "-io.pth", weights_only=True)
    image = wanted.pop("input")
    net.eval()
    with torch.no_grad():
        found = net(image)
    found = found if isinstance(found, dict) else {next(iter(wanted)): found}
    for key, value in wanted.items():
        torch.testing.assert_close(found[key], value, rtol=1e-5, atol=1e-5)
    net.train()
    sum(v.sum() for v in (net(image).values() if name == "odd" else [net(image)])).backward()
    assert all(p.grad is not None for p in net.parameters()), name
print("same")
`;

const folder = mkdtempSync(join(tmpdir(), "convnets-pytorch-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const save = (name: string, tensors: ReadonlyMap<string, TensorData>) =>
  writeFileSync(join(folder, name), Buffer.concat([...encodeTorch({ tensors: new Map(tensors) })]));

describe("PyTorch source", unless(pythonSkipReason("torch")), () => {
  it("has the same keys and gives the same outputs", async () => {
    const engine = nodeEngine({ threads: 1 });
    for (const [name, make] of Object.entries(NETWORKS)) {
      const { model, side } = make();
      model.initialize(0, { keep: true });
      const shape = [2, 3, side, side];
      const image = tensor(
        "float32",
        shape,
        Float32Array.from({ length: 6 * side * side }, (_, i) => Math.sin(i * 0.37)),
      );
      writeFileSync(join(folder, `${name}.py`), pytorchSource(model, { input: ["N", ...shape.slice(1)] }));
      save(`${name}.pth`, model.stateDict());
      const predict = await compile(model, { engine });
      const found = await predict(image);
      const outputs = "data" in found ? { output: found as TensorData } : (found as Record<string, TensorData>);
      save(`${name}-io.pth`, new Map([["input", image], ...Object.entries(outputs)]));
      predict.dispose();
    }
    expect(python(SCRIPT, { args: [folder, JSON.stringify(Object.keys(NETWORKS))] })).toBe("same\n");
  }, 60_000);

  it("reads as somebody would write it", () => {
    const { model } = NETWORKS.odd!();
    const source = pytorchSource(model, { input: ["N", 3, 32, 32] });
    expect(source).toContain("self.stem = nn.Conv2d(3, 8, 3, stride=2, bias=False)");
    expect(source).toContain('self.body["0"] = nn.Conv2d(8, 8, 3, padding=1, groups=8)');
    expect(source).toContain("F.dropout2d(");
    expect(source).toContain('return {"logits": ');
  });
});

it("dropout of whole channels is not written as ONNX's, which drops single elements", () => {
  const model = new Odd().initialize(0);
  expect(() => exportOnnx(model, { input: ["N", 3, 32, 32], dropout: true })).toThrow(/drops whole channels/);
});
