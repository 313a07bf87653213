import { beforeAll, describe, expect, test } from "vitest";
import { tensor } from "../../src/graph/index.ts";
import { Flatten, Linear, Module, ReLU, Sequential, type Tensor } from "../../src/nn/index.ts";
import { adamw, lars, type Optimizer, sgd } from "../../src/optim/index.ts";
import { Random } from "../../src/random.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { crossEntropyLoss, oneHot, TrainingStep } from "../../src/train/index.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";

const reason = pythonSkipReason("torch");

class Small extends Module<Tensor> {
  readonly body = new Sequential(new Flatten(), new Linear(12, 8), new ReLU(), new Linear(8, 3));

  forward(x: Tensor): Tensor {
    return this.body.call(x);
  }
}

/** Five steps in PyTorch for each case, with whatever it makes of optimizer, gradients and averages. */
const REFERENCE = `
import json, sys, copy
import torch
import torch.nn as nn

def flat(model):
    return {key: value.flatten().tolist() for key, value in model.state_dict().items()}

class Lars(torch.optim.Optimizer):
    """You et al. 2017, Algorithm 1; biases without the local rate."""

    def __init__(self, params, lr, momentum, weight_decay, trust):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay, trust=trust))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for w in group["params"]:
                decay, local = group["weight_decay"], 1.0
                if w.dim() > 1:
                    local = group["trust"] * w.norm() / (w.grad.norm() + decay * w.norm())
                v = self.state[w].get("v", torch.zeros_like(w))
                v = group["momentum"] * v + group["lr"] * local * (w.grad + decay * w)
                self.state[w]["v"] = v
                w -= v

def train(case):
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))
    model.load_state_dict({key: torch.tensor(value) for key, value in case["weights"].items()})
    groups = model.parameters()
    if case["weightsOnly"]:
        groups = [{"params": [p for p in model.parameters() if p.dim() > 1]},
                  {"params": [p for p in model.parameters() if p.dim() == 1], "weight_decay": 0}]
    if case["groups"]:
        groups = [{"params": model[1].parameters(), "lr": 0.01}, {"params": model[3].parameters()}]
    optimizer = eval(case["torch"], {"torch": torch, "Lars": Lars, "params": groups})
    average = copy.deepcopy(model)
    losses, norms = [], []
    for x, labels in case["batches"]:
        loss = nn.functional.cross_entropy(model(torch.tensor(x)), torch.tensor(labels), label_smoothing=case["smoothing"])
        optimizer.zero_grad()
        loss.backward()
        if case["clip"]:
            norms.append(nn.utils.clip_grad_norm_(model.parameters(), case["clip"]).item())
        optimizer.step()
        for a, p in zip(average.parameters(), model.parameters()):
            a.data.mul_(0.9).add_(p.data, alpha=0.1)
        losses.append(loss.item())
    return {"losses": losses, "norms": norms, "weights": flat(model), "average": flat(average)}

print(json.dumps([train(case) for case in json.load(sys.stdin)]))
`;

const BATCH = 6;
const STEPS = 5;
const LR = 0.1;
const TOLERANCE = 2e-5;

interface Variant {
  optimizer: Optimizer;
  torch: string;
  clip?: number;
  smoothing?: number;
  accumulate?: number;
  weightsOnly?: boolean;
  /** The first layer learns at a tenth of the rate. */
  groups?: boolean;
}

const VARIANTS: Record<string, Variant> = {
  "plain SGD": { optimizer: sgd(), torch: "torch.optim.SGD(params, lr=0.1)" },
  "SGD with momentum and decay": {
    optimizer: sgd({ momentum: 0.9, weightDecay: 0.01 }),
    torch: "torch.optim.SGD(params, lr=0.1, momentum=0.9, weight_decay=0.01)",
  },
  "SGD by Nesterov": {
    optimizer: sgd({ momentum: 0.9, nesterov: true }),
    torch: "torch.optim.SGD(params, lr=0.1, momentum=0.9, nesterov=True)",
  },
  AdamW: { optimizer: adamw({ weightDecay: 0.1 }), torch: "torch.optim.AdamW(params, lr=0.1, weight_decay=0.1)" },
  LARS: {
    optimizer: lars({ weightDecay: 0.01, trustCoefficient: 0.5 }),
    torch: "Lars(params, lr=0.1, momentum=0.9, weight_decay=0.01, trust=0.5)",
  },
  "LARS without momentum, decay of weights only": {
    optimizer: lars({ momentum: 0, weightDecay: 0.1, trustCoefficient: 0.5 }),
    torch: "Lars(params, lr=0.1, momentum=0, weight_decay=0.1, trust=0.5)",
    weightsOnly: true,
  },
  "clipped gradients": {
    optimizer: sgd({ momentum: 0.9 }),
    torch: "torch.optim.SGD(params, lr=0.1, momentum=0.9)",
    clip: 0.3,
  },
  "SGD with groups of parameters": {
    optimizer: sgd({ momentum: 0.9, weightDecay: 0.01 }),
    torch: "torch.optim.SGD(params, lr=0.1, momentum=0.9, weight_decay=0.01)",
    groups: true,
  },
  "AdamW with groups of parameters": {
    optimizer: adamw({ weightDecay: 0.1 }),
    torch: "torch.optim.AdamW(params, lr=0.1, weight_decay=0.1)",
    groups: true,
    accumulate: 2,
  },
  "label smoothing": { optimizer: sgd(), torch: "torch.optim.SGD(params, lr=0.1)", smoothing: 0.1 },
  "accumulated gradients": { optimizer: adamw(), torch: "torch.optim.AdamW(params, lr=0.1)", accumulate: 3, clip: 0.5 },
  "decay of weights only": {
    optimizer: sgd({ weightDecay: 0.1 }),
    torch: "torch.optim.SGD(params, lr=0.1, weight_decay=0.1)",
    weightsOnly: true,
  },
};

const initial = () => new Small().initialize(3);
const random = new Random(5);
const batches = Array.from({ length: STEPS }, () => ({
  x: Float32Array.from({ length: BATCH * 12 }, () => random.normal()),
  labels: Int32Array.from({ length: BATCH }, () => random.integer(3)),
}));

type Answer = Readonly<Record<"losses" | "norms", number[]> & Record<"weights" | "average", Record<string, number[]>>>;

function askPyTorch(variants: readonly Variant[]): Answer[] {
  const weights = [...initial().stateDict()].map(([key, { shape, data }]) => [
    key.slice("body.".length),
    nested(shape, data as Float32Array),
  ]);
  const cases = variants.map(({ torch, clip = 0, smoothing = 0, groups = false, weightsOnly = false }) => ({
    weights: Object.fromEntries(weights),
    ...{ torch, clip, smoothing, groups, weightsOnly },
    batches: batches.map(({ x, labels }) => [nested([BATCH, 3, 2, 2], x), [...labels]]),
  }));
  return JSON.parse(python(REFERENCE, { input: JSON.stringify(cases) }));
}

describe("training follows PyTorch", unless(reason), () => {
  let answers: Answer[];
  beforeAll(() => {
    answers = askPyTorch(Object.values(VARIANTS));
  });

  test.each(Object.keys(VARIANTS).map((name, i) => [name, i] as const))("%s", async (name, i) => {
    const { optimizer, clip, smoothing = 0, accumulate = 1, weightsOnly, groups } = VARIANTS[name]!;
    const expected = answers[i]!;
    const step = await TrainingStep.create(initial(), {
      engine: nodeEngine({ threads: 1 }),
      input: ["N", 3, 2, 2],
      optimizer,
      ema: 0.9,
      ...(clip && { clipNorm: clip }),
      ...(groups && { lrScale: (key) => (key.startsWith("body.1.") ? 0.1 : 1) }),
      loss: crossEntropyLoss({ labelSmoothing: smoothing }),
      ...(weightsOnly && { decays: (_key, shape) => shape.length > 1 }),
    });
    const losses: number[] = [];
    const norms: number[] = [];
    for (const { x, labels } of batches) {
      const part = BATCH / accumulate;
      const parts = Array.from({ length: accumulate }, (_, i) => ({
        input: tensor("float32", [part, 3, 2, 2], x.slice(i * part * 12, (i + 1) * part * 12)),
        target: oneHot(labels.slice(i * part, (i + 1) * part), 3),
      }));
      const { loss, gradientNorm } = await step.run(parts, LR);
      losses.push(loss);
      if (gradientNorm !== undefined) norms.push(gradientNorm);
    }
    close(losses, expected.losses);
    close(norms, expected.norms);
    for (const [ema, key] of [
      [false, "weights"],
      [true, "average"],
    ] as const) {
      for (const [path, { data }] of await step.weights({ ema }))
        close([...(data as Float32Array)], expected[key][path.slice("body.".length)]!);
    }
    await step.dispose();
  });
});

function close(ours: readonly number[], theirs: readonly number[]): void {
  expect(ours).toHaveLength(theirs.length);
  ours.forEach((value, i) => {
    expect(Math.abs(value - theirs[i]!)).toBeLessThan(TOLERANCE * Math.max(1, Math.abs(theirs[i]!)));
  });
}

type Nested = number | Nested[];

function nested(shape: readonly number[], data: ArrayLike<number>, offset = { at: 0 }): Nested {
  const [size, ...rest] = shape;
  return size === undefined ? data[offset.at++]! : Array.from({ length: size }, () => nested(rest, data, offset));
}
