import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { fitKeys, type TensorData, tensor, zeros } from "../../src/graph/index.ts";
import { Conv2d, Linear, Module, ReLU, Sequential, type Tensor, trace } from "../../src/nn/index.ts";
import { IMAGE, Network } from "./tree.ts";

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

  it("can be put into training or evaluation form, whole or in parts", () => {
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
    expect(trace(network, IMAGE, { training: false }).tracer.updates.size).toBe(0);
  });

  it("is traced in the form it was put into, and for evaluation at first", () => {
    const network = new Network();
    const form = () => trace(network, IMAGE).tracer.training;
    expect([form(), network.mode, network.training]).toEqual([false, undefined, true]);
    network.block.norm.training = false;
    expect(form()).toBe(false);
    expect([network.train() && form(), network.mode]).toEqual([true, true]);
    expect([network.eval() && form(), network.mode, network.training]).toEqual([false, false, false]);
    expect(Object.keys(new Network())).toEqual(["block", "head"]);
  });

  it("is printed as in PyTorch", () => {
    const printed = `Network(
  (block): Block(
    (norm): BatchNorm2d(4, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    (conv): Conv2d(3, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), bias=False)
    (tail): Sequential(
      (0): ReLU()
      (1): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
      (2): Dropout(p=0.5)
      (3): Sequential(
        (0): Conv2d(4, 2, kernel_size=(1, 1), stride=(1, 1))
        (1): Identity()
      )
    )
  )
  (head): Sequential(
    (0): Flatten(start_dim=1, end_dim=-1)
    (1): Linear(in_features=32, out_features=5, bias=True)
    (2): Softmax(dim=1)
  )
)`;
    expect(String(new Network())).toBe(printed);
    expect(inspect(new Network())).toBe(printed);
    class Scaled extends ReLU {
      override extraRepr() {
        return "scale=2";
      }
    }
    expect(String(new Sequential(new Scaled()))).toBe("Sequential(\n  (0): Scaled(scale=2)\n)");
  });

  it("names its modules by their static type, and those without one by their class", () => {
    class Own extends Conv2d {}
    class Named extends Conv2d {
      static override readonly type = "Convolution";
    }
    expect([new Conv2d(1, 1, 1), new Own(1, 1, 1), new Named(1, 1, 1)].map(({ type }) => type)).toEqual([
      "Conv2d",
      "Own",
      "Convolution",
    ]);
  });

  it("is traced without dropout on request", () => {
    const { tracer, graph } = trace(new Network(), IMAGE, { training: true, dropout: false });
    expect(tracer.masks).toEqual([]);
    expect(graph.inputs.map(({ name }) => name)).toEqual(["input"]);
  });

  it("can be frozen and unfrozen, whole or in parts", () => {
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

  it("gets the same weights from the same seed, and a part the same in any network", () => {
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
  it.each(["module.", "_orig_mod.", "_orig_mod.module."])("removes %s when only that makes the keys fit", (prefix) => {
    const state = new Network().initialize(5).stateDict();
    const wrapped = new Map([...state].map(([key, value]) => [prefix + key, value]));
    expect(new Network().loadStateDict(wrapped).stateDict()).toEqual(state);
    expect(fitKeys(wrapped, state)).toEqual({ weights: state, removed: prefix });
    expect(fitKeys(state, state)).toEqual({ weights: state });
    class Wrapper extends Module<Tensor> {
      module = new Linear(2, 1);
      forward(x: Tensor) {
        return this.module.call(x);
      }
    }
    const own = new Wrapper().stateDict();
    expect(new Wrapper().loadStateDict(own).stateDict()).toEqual(own);
    const twice = new Map([...own].map(([key, value]) => [`module.${key}`, value]));
    expect(fitKeys(twice, own)).toEqual({ weights: own, removed: "module." });
    const mixed = new Map([...wrapped, ["other", own.get("module.bias")!]]);
    expect(() => new Network().loadStateDict(mixed)).toThrow("unexpected: other");
  });

  it("removes another prefix that all keys have", () => {
    const state = new Map([...full()].map(([key, value]) => [`backbone.${key}`, value]));
    expect(new Network().loadStateDict(state).stateDict()).toEqual(full());
    const few = new Map([...state].slice(0, 2));
    expect(() => new Network().loadStateDict(few)).toThrow("remove this prefix from the keys: backbone.");
  });

  it("takes numbers in plain arrays and of other realms, and says what else it was given", () => {
    const bias = { dtype: "float32", shape: [5], data: [1, 2, 3, 4, 5] } as unknown as TensorData;
    const load = (value: unknown) =>
      new Network().loadStateDict(new Map([["head.1.bias", value as TensorData]]), { strict: false });
    expect(load(bias).stateDict().get("head.1.bias")!.data).toEqual(Float32Array.of(1, 2, 3, 4, 5));
    expect(() => load({ ...bias, data: new Float64Array(5) })).toThrow(
      "head.1.bias: float32 [5] takes 5 elements in a Float32Array or plain array of numbers, but got Float64Array of 5",
    );
    expect(() => new Network().loadStateDict({} as never)).toThrow("takes a Map of tensors by key, but got an object");
    const { weight } = new Linear(2, 1);
    expect(() => Object.assign(weight, { data: new Float32Array(2) })).toThrow("expected a tensor");
    expect(() => Object.assign(weight, { data: zeros("float32", [2]) })).toThrow(
      "expected float32[1, 2], got float32[2]",
    );
  });

  const full = () => new Network().stateDict();
  const floats = (shape: readonly number[]) => zeros("float32", shape);

  it("loads what fits", () => {
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
    const network = new Network();
    const before = network.stateDict();
    expect(() => network.loadStateDict(state)).toThrow(
      [
        "Network: the state dict does not fit",
        "  missing: block.conv.weight, head.1.bias",
        "  unexpected: head.9.weight, classifier.bias",
        "  of another shape or type: head.1.weight (float32[32, 5] instead of float32[5, 32])",
      ].join("\n"),
    );
    expect(network.stateDict()).toEqual(before);
  });

  it("converts a count of batches of another type", () => {
    const state = full();
    for (const count of [tensor("float32", [], [7]), tensor("int32", [1], [7]), tensor("int64", [1], [7n])]) {
      state.set("block.norm.num_batches_tracked", count);
      const loaded = new Network().loadStateDict(state).stateDict();
      expect(loaded.get("block.norm.num_batches_tracked")).toEqual(tensor("int64", [], [7n]));
    }
  });

  it("sets the count of batches to 0 when a file (from before PyTorch 0.4.1) has none", () => {
    const state = full();
    state.set("block.norm.num_batches_tracked", tensor("int64", [], BigInt64Array.of(7n)));
    const network = new Network().loadStateDict(state);
    state.delete("block.norm.num_batches_tracked");
    network.loadStateDict(state);
    expect(network.stateDict().get("block.norm.num_batches_tracked")!.data).toEqual(BigInt64Array.of(0n));
    state.delete("block.norm.running_mean");
    expect(() => network.loadStateDict(state)).toThrow("running_mean, block.norm.num_batches_tracked");
  });

  it("without strict, allows missing and unexpected keys, but not other shapes", () => {
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
