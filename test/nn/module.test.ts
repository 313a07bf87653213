import { describe, expect, it } from "vitest";
import { type TensorData, tensor, zeros } from "../../src/graph/index.ts";
import {
  BatchNorm2d,
  Conv2d,
  Dropout,
  Flatten,
  Identity,
  init,
  Linear,
  MaxPool2d,
  Module,
  Parameter,
  ReLU,
  Sequential,
  Softmax,
  type Tensor,
  trace,
} from "../../src/nn/index.ts";
import { python, pythonSkipReason } from "../support/python.ts";

/** Own weights, children and a list of modules, in an order that tells depth-first from breadth-first. */
class Block extends Module<Tensor> {
  norm = new BatchNorm2d(4);
  scale = new Parameter([4, 1, 1], init.ones);
  conv = new Conv2d(3, 4, 3, { padding: 1, bias: false });
  tail = new Sequential(
    new ReLU(),
    new MaxPool2d(2),
    new Dropout(0.5),
    new Sequential(new Conv2d(4, 2, 1), new Identity()),
  );

  forward(x: Tensor): Tensor {
    const y = this.norm.call(this.conv.call(x));
    return this.tail.call(y.mul(x.tracer.weight(this.scale)));
  }
}

class Network extends Module {
  block = new Block();
  head = new Sequential(new Flatten(), new Linear(32, 5), new Softmax(1));

  forward(x: Tensor) {
    const features = this.block.call(x);
    return { probabilities: this.head.call(features), features };
  }
}

const IMAGE = ["N", 3, 8, 8] as const;

describe.skipIf(pythonSkipReason("torch") !== undefined)("the state dict of a module tree", () => {
  it("has PyTorch's keys in PyTorch's order", () => {
    const keys = python(`
import json, torch
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(4)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))
        self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.tail = nn.Sequential(nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5), nn.Sequential(nn.Conv2d(4, 2, 1), nn.Identity()))

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = Block()
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(32, 5), nn.Softmax(1))

network = Network()
print(json.dumps([list(network.state_dict()), [k for k, _ in network.named_parameters()], [k for k, _ in network.named_buffers()]]))
`);
    const network = new Network();
    const key = ([key]: readonly [string, unknown]) => key;
    const ours = [network.stateDict(), network.parameters(), network.buffers()].map((entries) => [...entries].map(key));
    expect(ours).toEqual(JSON.parse(keys));
  });
});

describe("a module tree", () => {
  it("is traced with named outputs, a named batch and no weights", () => {
    const network = new Network();
    const { graph, outputs, root } = trace(network, IMAGE);
    expect(Object.fromEntries(Object.entries(outputs).map(([name, { shape }]) => [name, shape]))).toEqual({
      probabilities: ["N", 5],
      features: ["N", 2, 4, 4],
    });
    expect([...graph.outputs.keys()]).toEqual(["probabilities", "features"]);
    expect(graph.parameters.map(({ name }) => name)).toContain("block.tail.3.0.weight");
    expect([...network.parameters()].every(([, { data }]) => data === undefined)).toBe(true);
    expect(root.calls.map(({ path }) => path)).toEqual(["block", "head"]);
    expect(root.calls[0]!.calls.map(({ name }) => name)).toEqual(["conv", "norm", "tail"]);
    expect(graph.nodes.find(({ op }) => op === "MaxPool")?.scope).toBe("block.tail.1");
  });

  it("goes into training and evaluation form, whole or in parts", () => {
    const network = new Network();
    const masks = () => trace(network, IMAGE, { training: true }).tracer.masks.map(({ input, p }) => [input, p]);
    expect(masks()).toEqual([["dropout:block.tail.2", 0.5]]);
    expect(network.eval()).toBe(network);
    expect([...network.modules()].every(([, { training }]) => !training)).toBe(true);
    expect(masks()).toEqual([]);
    network.train();
    network.block.tail.eval();
    expect(masks()).toEqual([]);
    expect(network.block.norm.training).toBe(true);
    const { tracer } = trace(network, IMAGE, { training: true });
    expect([...tracer.updates.keys()]).toEqual(["block.norm.running_mean", "block.norm.running_var"]);
    expect(trace(network, IMAGE).tracer.updates.size).toBe(0);
  });

  it("keeps dropout out of a trace that asks for none", () => {
    const { tracer, graph } = trace(new Network(), IMAGE, { training: true, dropout: false });
    expect(tracer.masks).toEqual([]);
    expect(graph.inputs.map(({ name }) => name)).toEqual(["input"]);
  });

  it("is frozen and thawed, whole or in parts", () => {
    const network = new Network();
    const trained = () => [...network.parameters()].filter(([, { requiresGrad }]) => requiresGrad).map(([key]) => key);
    const all = trained();
    expect(network.requiresGrad(false)).toBe(network);
    expect(trained()).toEqual([]);
    network.head.requiresGrad(true);
    expect(trained()).toEqual(["head.1.weight", "head.1.bias"]);
    network.requiresGrad(true);
    expect(trained()).toEqual(all);
  });

  it("draws the same weights from the same seed, and the same weight in any network", () => {
    const state = (seed: number) => new Network().initialize(seed).stateDict();
    expect(state(3)).toEqual(state(3));
    expect(state(3).get("head.1.weight")).not.toEqual(state(4).get("head.1.weight"));
    // weights never set are those of seed 0
    expect(new Network().stateDict()).toEqual(state(0));
    const part = { head: new Network().head };
    class Other extends Module<Tensor> {
      head = part.head;
      forward(x: Tensor) {
        return this.head.call(x);
      }
    }
    expect(new Other().initialize(3).stateDict().get("head.1.weight")).toEqual(state(3).get("head.1.weight"));
  });
});

describe("loadStateDict", () => {
  const full = () => new Network().stateDict();
  const floats = (shape: readonly number[]) => zeros("float32", shape);

  it("takes over what fits", () => {
    const state = new Map(
      [...full()].map(([key, value]) => [key, value.dtype === "int64" ? value : floats(value.shape)]),
    );
    const network = new Network();
    expect(network.loadStateDict(state)).toBe(network);
    expect(network.stateDict()).toEqual(state);
  });

  it("lists all that is missing, unexpected and misshapen together, and changes nothing", () => {
    const state = full();
    state.delete("head.1.bias");
    state.delete("block.conv.weight");
    state.set("head.9.weight", floats([1]));
    state.set("classifier.bias", floats([1]));
    state.set("head.1.weight", floats([32, 5]));
    state.set("block.norm.num_batches_tracked", floats([]));
    const network = new Network();
    const before = network.stateDict();
    expect(() => network.loadStateDict(state)).toThrow(
      [
        "Network: the state dict does not fit",
        "  missing: block.conv.weight, head.1.bias",
        "  unexpected: head.9.weight, classifier.bias",
        "  of another shape or type: block.norm.num_batches_tracked (float32[] instead of int64[]), head.1.weight (float32[32, 5] instead of float32[5, 32])",
      ].join("\n"),
    );
    expect(network.stateDict()).toEqual(before);
  });

  it("counts no batches where a file, as those from before PyTorch 0.4.1, does not say how many", () => {
    const state = full();
    state.set("block.norm.num_batches_tracked", tensor("int64", [], BigInt64Array.of(7n)));
    const network = new Network().loadStateDict(state);
    state.delete("block.norm.num_batches_tracked");
    network.loadStateDict(state);
    expect(network.stateDict().get("block.norm.num_batches_tracked")!.data).toEqual(BigInt64Array.of(0n));
    state.delete("block.norm.running_mean");
    expect(() => network.loadStateDict(state)).toThrow("running_mean, block.norm.num_batches_tracked");
  });

  it("not strict, forgives missing and unexpected keys, but not shapes", () => {
    const bias = tensor("float32", [5], Float32Array.of(1, 2, 3, 4, 5));
    const some = new Map<string, TensorData>([
      ["head.1.bias", bias],
      ["other", floats([1])],
    ]);
    const network = new Network().loadStateDict(some, { strict: false });
    expect(network.stateDict().get("head.1.bias")).toBe(bias);
    const wrong = new Map([["head.1.bias", floats([6])]]);
    expect(() => new Network().loadStateDict(wrong, { strict: false })).toThrow("float32[6] instead of float32[5]");
  });
});

describe("mistakes in a network", () => {
  class Wrong extends Module<Tensor> {
    readonly #step: (x: Tensor) => Tensor;
    constructor(step: (x: Tensor) => Tensor) {
      super();
      this.#step = step;
    }
    forward(x: Tensor) {
      return this.#step(x);
    }
  }

  it("a module that is no property cannot be called", () => {
    const relu = new Conv2d(3, 4, 1);
    expect(() => trace(new Wrong((x) => relu.call(x)), IMAGE)).toThrow(
      "Conv2d is called, but is no property of the network or of a module in it; make it one",
    );
  });

  it("a weight that is no property cannot be used", () => {
    const scale = new Parameter([1], init.ones);
    expect(() => trace(new Wrong((x) => x.mul(x.tracer.weight(scale))), IMAGE)).toThrow(
      "a weight is used that is no property of the network or of a module in it; make it one",
    );
  });

  it("shapes that do not fit are named with the operation", () => {
    expect(() => trace(new Conv2d(4, 8, 3), IMAGE)).toThrow("Conv: the input [N, 3, 8, 8] has 3 channels");
    expect(() => trace(new Linear(9, 8), IMAGE)).toThrow("do not multiply");
    expect(() => trace(new Wrong((x) => x.view(-1, 5)), IMAGE)).toThrow(
      "view: [N, 3, 8, 8] holds 192*N elements and does not fit [-1, 5]",
    );
  });

  it("options that make no sense are refused", () => {
    expect(() => new Conv2d(3, 4, 1, { groups: 2 })).toThrow("3 → 4 channels do not divide into 2 groups");
    expect(() => new Dropout(1)).toThrow("p has to lie in [0, 1), but is 1");
    expect(() => trace(new Conv2d(3, 4, 3, { padding: "same", stride: 2 }), IMAGE)).toThrow("needs stride 1");
  });
});
