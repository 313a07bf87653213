/** Grad-CAM, input gradients and activations of our networks and an imported one against PyTorch. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { encodeSafetensors } from "../../src/checkpoint/index.ts";
import { fromBytes, type TensorData, tensor } from "../../src/graph/index.ts";
import { lookInside } from "../../src/infer/index.ts";
import { createModel } from "../../src/models/index.ts";
import { Dropout, Linear, type Module, ReLU, Sequential } from "../../src/nn/index.ts";
import { onnxModule } from "../../src/onnx/index.ts";
import { Random } from "../../src/random.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { pythonSkipReason } from "../support/python.ts";
import { PythonServer } from "../support/python-server.ts";
import { unless } from "../support/skip.ts";

const SCRIPT = `
import base64
import os
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
import numpy as np
import torch
import torch.nn as nn
import torchvision

torch.set_num_threads(1)
torch.manual_seed(0)
for name in ("kaiming_normal_", "trunc_normal_"):
    setattr(nn.init, name, lambda tensor, *args, **kwargs: tensor)

def read(path):
    with open(path, "rb") as file:
        header = eval(file.read(int.from_bytes(file.read(8), "little")))
        numbers = bytearray(file.read())
    header.pop("__metadata__", None)
    types = {"F32": np.float32, "I64": np.int64}
    return {key: torch.from_numpy(np.frombuffer(numbers[slice(*entry["data_offsets"])], types[entry["dtype"]]).reshape(entry["shape"])) for key, entry in header.items()}

def vgg11(hidden):
    model = torchvision.models.vgg11(init_weights=False)
    model.classifier[0] = nn.Linear(512 * 7 * 7, hidden)
    model.classifier[3] = nn.Linear(hidden, hidden)
    model.classifier[6] = nn.Linear(hidden, 1000)
    return model

def googlenet():
    return torchvision.models.googlenet(init_weights=False, aux_logits=False, num_classes=10)

def nin():
    layers, before = [], 3
    for kernel, padding, widths, pool in [(5, 2, (192, 160, 96), nn.MaxPool2d(3, 2, ceil_mode=True)), (5, 2, (192, 192, 192), nn.MaxPool2d(3, 2, ceil_mode=True)), (3, 1, (192, 192, 10), None)]:
        for i, width in enumerate(widths):
            layers += [nn.Conv2d(before, width, kernel if i == 0 else 1, padding=padding if i == 0 else 0), nn.ReLU()]
            before = width
        layers += [pool, nn.Dropout()] if pool else []
    return nn.ModuleDict({"features": nn.Sequential(*layers[:16]), "classifier": nn.Sequential(*layers[16:], nn.AdaptiveAvgPool2d(1))})

def resnet18():
    model = torchvision.models.resnet18(num_classes=10)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model

def forward(model, x):
    if isinstance(model, nn.ModuleDict):
        return model["classifier"](model["features"](x)).flatten(1)
    return model(x)

def write(value):
    return base64.b64encode(value.detach().float().contiguous().numpy()).decode()

def answer(question):
    model = eval(question["model"]).eval()
    x = torch.from_numpy(np.frombuffer(base64.b64decode(question["input"]), np.float32).reshape(question["shape"]).copy())
    if "weights" in question:
        model.load_state_dict(read(question["weights"]))
    else:
        torch.onnx.export(model, x, question["onnx"], opset_version=13, do_constant_folding=False)
    model = model.double()
    x = x.double().requires_grad_()
    seen = []
    model.get_submodule(question["layer"]).register_forward_hook(lambda module, inputs, output: seen.append(output))
    scores = forward(model, x)
    gradient, at = torch.autograd.grad(scores[0, question["label"]], [x, seen[-1]])
    cam = (at.mean((2, 3), keepdim=True) * seen[-1]).sum(1).relu()
    return {"scores": write(scores), "gradient": write(gradient), "cam": write(cam), "activation": write(seen[-1])}

serve(answer)
`;

interface Example {
  /** Undefined for a network that PyTorch exports. */
  readonly create?: () => Module;
  readonly python: string;
  readonly side: number;
  readonly layer: string;
  /** Whether Grad-CAM takes this layer by default. */
  readonly isLast?: boolean;
}

const HIDDEN = 64;
const EXAMPLES: Readonly<Record<string, Example>> = {
  VGG: {
    create: () => {
      const classifier = new Sequential(
        ...[new Linear(512 * 7 * 7, HIDDEN), new ReLU(), new Dropout()],
        ...[new Linear(HIDDEN, HIDDEN), new ReLU(), new Dropout()],
        new Linear(HIDDEN, 1000),
      );
      return Object.assign(createModel("vgg11", { variant: "torchvision" }), { classifier }).initialize(1);
    },
    python: `vgg11(${HIDDEN})`,
    side: 64,
    layer: "avgpool",
    isLast: true,
  },
  NiN: {
    create: () => createModel("nin", { variant: "paper" }).initialize(1),
    python: "nin()",
    side: 32,
    layer: "classifier.5",
    isLast: true,
  },
  GoogLeNet: {
    create: () => createModel("googlenet", { variant: "torchvision", auxLogits: false, numClasses: 10 }).initialize(1),
    python: "googlenet()",
    side: 96,
    layer: "inception4e",
  },
  "ResNet-18 from an .onnx file": { python: "resnet18()", side: 64, layer: "layer3" },
};

const LABEL = 3;
const folder = mkdtempSync(join(tmpdir(), "convnets-inside-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const base64 = ({ data }: TensorData) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");

/** Largest difference, as a share of the largest number. */
function difference(found: TensorData, wanted: string): number {
  const expected = fromBytes("float32", found.shape, Buffer.from(wanted, "base64")).data as Float32Array;
  const most = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  expect(most).toBeGreaterThan(0);
  return expected.reduce((max, value, i) => Math.max(max, Math.abs(value - Number(found.data[i]))), 0) / most;
}

describe("against PyTorch", unless(pythonSkipReason("torch", "torchvision", "onnx")), () => {
  const python = new PythonServer(SCRIPT, ["torch", "torchvision", "onnx"]);

  it.each(Object.entries(EXAMPLES))("%s", async (name, { create, python: model, side, layer, isLast }) => {
    const random = new Random(1, name);
    const shape = [1, 3, side, side] as const;
    const input = tensor(
      "float32",
      shape,
      Float32Array.from({ length: 3 * side * side }, () => random.normal()),
    );
    const ours = create?.();
    const weights = join(folder, `${name}.safetensors`);
    const onnx = join(folder, "network.onnx");
    if (ours) await writeFile(weights, encodeSafetensors({ tensors: ours.stateDict(), metadata: {} }));
    const wanted = await python.ask<Record<"scores" | "gradient" | "cam" | "activation", string>>({
      ...{ model, shape, layer, label: LABEL, input: base64(input) },
      ...(ours ? { weights } : { onnx }),
    });
    const inside = lookInside(ours ?? onnxModule(readFileSync(onnx)), { engine: nodeEngine({ threads: 1 }) });
    const { scores, activations } = await inside.see(input, [layer]);
    expect(difference(scores!, wanted.scores)).toBeLessThan(1e-4);
    expect(difference(activations[layer]!, wanted.activation)).toBeLessThan(1e-4);
    const gradient = await inside.inputGradient(input, { classIndex: LABEL });
    expect(difference(gradient, wanted.gradient)).toBeLessThan(1e-3);
    const { map } = await inside.gradCam(input, { layer, classIndex: LABEL });
    expect(difference(map, wanted.cam)).toBeLessThan(1e-3);
    if (isLast) expect(inside.lastMaps(shape)).toBe(layer);
    await inside.dispose();
  });
});
