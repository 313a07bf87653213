import { describe, expect, it } from "vitest";
import { Float, type Shape, zeros } from "../../src/graph/index.ts";
import {
  AdaptiveAvgPool2d,
  AvgPool2d,
  BatchNorm2d,
  Conv2d,
  Dropout,
  F,
  Flatten,
  init,
  Linear,
  LocalResponseNorm,
  MaxPool2d,
  Module,
  Parameter,
  ReLU,
  Sequential,
  Softmax,
  type Tensor,
  trace,
} from "../../src/nn/index.ts";
import { IMAGE } from "./tree.ts";

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

  it("a module that is not a property cannot be called", () => {
    const relu = new Conv2d(3, 4, 1);
    expect(() => trace(new Wrong((x) => relu.call(x)), IMAGE)).toThrow(
      "Wrong: Conv2d is called, but is not a property of the network or of a module in it; make it one",
    );
  });

  it("a weight that is not a property cannot be used", () => {
    const scale = new Parameter([1], init.ones);
    expect(() => trace(new Wrong((x) => x.mul(x.tracer.weight(scale))), IMAGE)).toThrow(
      "Wrong: uses a parameter that is not a property of the network or of a module in it; make it one",
    );
  });

  it("modules and parameters in lists are refused wherever they would be missing", () => {
    class Lists extends Module<Tensor> {
      layers: unknown = [new Conv2d(3, 4, 1), new ReLU()];
      forward(x: Tensor) {
        return x;
      }
    }
    const list =
      'Lists: the modules or parameters in the list "layers" would not be part of the network; use layers = new Sequential(...)';
    const network = new Lists();
    expect(() => [...network.children()]).toThrow(list);
    expect(() => [...network.parameters()]).toThrow(list);
    expect(() => network.stateDict()).toThrow(list);
    expect(() => trace(network, IMAGE)).toThrow(list);
    network.layers = { scale: new Parameter([1], init.ones) };
    expect(() => network.stateDict()).toThrow(list);
    network.layers = [1, "2", null, { a: 1 }];
    expect(network.stateDict().size).toBe(0);
    // a list of what are properties too is a convenience
    const conv = new Conv2d(3, 4, 1);
    Object.assign(network, { conv, layers: [conv] });
    expect([...network.stateDict().keys()]).toEqual(["conv.weight", "conv.bias"]);
  });

  it("forward instead of call is refused, but super.forward and own use of it are not", () => {
    class Direct extends Module<Tensor> {
      conv = new Conv2d(3, 4, 1);
      forward(x: Tensor) {
        return this.conv.forward(x);
      }
    }
    expect(() => trace(new Sequential(new Direct()), IMAGE)).toThrow(
      "0 (Direct): 0.conv (Conv2d): forward is called directly, so the layer would be missing from the summary; use call instead of forward",
    );
    class Twice extends Conv2d {
      override forward(x: Tensor) {
        return super.forward(super.forward(x));
      }
    }
    const { graph, root } = trace(new Sequential(new Twice(3, 3, 1)), IMAGE);
    expect(graph.nodes.map(({ op }) => op)).toEqual(["Conv", "Conv"]);
    expect(root.calls.map(({ path }) => path)).toEqual(["0"]);
    // a layer without weights that belongs to nobody may serve as a function
    expect(trace(new Wrong((x) => new ReLU().forward(x)), IMAGE).graph.nodes).toHaveLength(1);
  });

  it("numbers instead of traced tensors are refused", () => {
    const images = zeros("float32", [1, 3, 8, 8]);
    for (const run of ["call", "forward"] as const)
      expect(() => new Conv2d(3, 4, 1)[run](images as never)).toThrow(
        "Conv2d: forward and call take the tensors of a trace, but got float32 [1,3,8,8]; for numbers, const predict = await compile(model, { engine })",
      );
    expect(() => new ReLU().call()).toThrow("ReLU: call needs a tensor");
    expect(() => trace(new Wrong(() => undefined as never), IMAGE)).toThrow(
      "Wrong: forward has to return a tensor, or an object of tensors by name, but returned undefined",
    );
  });

  it("shapes that do not fit are named with the path of the layer and its operation, once", () => {
    const features = (...modules: Module<Tensor>[]) => {
      class Net extends Module<Tensor> {
        features = new Sequential(new ReLU(), new Sequential(...modules));
        forward(x: Tensor) {
          return this.features.call(x);
        }
      }
      return () => trace(new Net(), IMAGE);
    };
    const start = "features.1.0 (";
    expect(features(new Conv2d(4, 8, 3))).toThrow(`${start}Conv2d): Conv: the input [N, 3, 8, 8] has 3 channels`);
    expect(features(new Linear(9, 8))).toThrow(
      `${start}Linear): the input [N, 3, 8, 8] has 8 features, but the weight takes 9`,
    );
    expect(features(new Flatten(0), new Linear(192, 8))).toThrow(
      "features.1.1 (Linear): the input [192*N] has 192*N features, but the weight takes 192; use x.flatten(1), which keeps the batch, instead of x.flatten()",
    );
    expect(() => trace(new Conv2d(4, 8, 3), IMAGE)).toThrow(/^Conv2d: Conv: the input/);
    try {
      features(new Conv2d(4, 8, 3))();
      expect.unreachable();
    } catch (error) {
      expect((error as Error).stack).toContain((error as Error).message);
    }
    expect(() => trace(new Wrong((x) => x.view(-1, 5)), IMAGE)).toThrow(
      "Wrong: view: [N, 3, 8, 8] holds 192*N elements and does not fit [-1, 5]",
    );
  });

  it("operators without what they need are refused", () => {
    const nodes = (step: (x: Tensor) => Tensor) => trace(new Wrong(step), IMAGE).graph.nodes.map(({ op }) => op);
    expect(() => nodes((x) => x.apply("Clip"))).toThrow("apply: Clip needs more inputs than x; give them in a list");
    expect(() => nodes((x) => x.apply("Add"))).toThrow("Add needs more inputs");
    expect(nodes((x) => x.apply("Clip", [0, 6]).apply("HardSwish").apply("Max", [x]))).toEqual([
      "Clip",
      "HardSwish",
      "Max",
    ]);
    expect(nodes((x) => x.apply("LeakyRelu", [], { alpha: new Float(0.2) }))).toEqual(["LeakyRelu"]);
  });

  it("sums and means take one axis or several", () => {
    const shapes = (...dims: (number | readonly number[])[]) =>
      dims.map((dim) => {
        let shape: Shape = [];
        trace(
          new Wrong((x) => {
            shape = x.mean(dim).shape;
            expect(x.sum(dim).shape).toEqual(shape);
            return x;
          }),
          IMAGE,
        );
        return shape;
      });
    expect(shapes(1, [2, 3], -1, [])).toEqual([["N", 8, 8], ["N", 3], ["N", 3, 8], []]);
  });

  it("Sequential takes a list or an object, of modules only", () => {
    const list = new Sequential([new Conv2d(3, 4, 1), new ReLU()]);
    expect([...list.stateDict().keys()]).toEqual(["0.weight", "0.bias"]);
    expect(() => new Sequential(new ReLU(), "relu" as never)).toThrow('Sequential: takes modules, but got "relu"');
    const named = new Sequential({ conv: new Conv2d(3, 4, 1), relu: new ReLU() });
    expect([...named.stateDict().keys()]).toEqual(["conv.weight", "conv.bias"]);
    expect(() => new Sequential({ conv: "relu" } as never)).toThrow("Sequential");
  });

  it("options that make no sense are refused", () => {
    expect(() => new Conv2d(3, 4, 1, { groups: 2 })).toThrow("3 → 4 channels do not divide into 2 groups");
    expect(() => new Dropout(1)).toThrow("p has to lie in [0, 1), but is 1");
    expect(() => trace(new Conv2d(3, 4, 3, { padding: "same", stride: 2 }), IMAGE)).toThrow("needs stride 1");
  });

  // what plain JavaScript lets through
  it.each<[string, () => unknown, string]>([
    [
      "a fourth number",
      () => new Conv2d(3, 8, 3, 2 as never),
      "Conv2d: options are an object such as { stride: 2 }, but got 2",
    ],
    [
      "a misspelt option",
      () => new Conv2d(3, 8, 3, { pad: 1 } as never),
      'Conv2d: there is no option "pad"; did you mean "padding"?',
    ],
    [
      "an option of text",
      () => new Conv2d(3, 8, 3, { stride: "2" } as never),
      'stride has to be a positive whole number, or two: [height, width], but is "2"',
    ],
    [
      "channels of text",
      () => new Conv2d(3, "8" as never, 3),
      'Conv2d: outChannels has to be a positive whole number, but is "8"',
    ],
    [
      "no kernel",
      () => new Conv2d(3, 8, undefined as never),
      "Conv2d: kernelSize has to be a positive whole number, or two: [height, width], but is undefined",
    ],
    ["bias: 1", () => new Linear(3, 8, { bias: 1 } as never), "Linear: bias has to be true or false, but is 1"],
    ["a fraction", () => new Linear(3.5, 8), "Linear: inFeatures has to be a positive whole number, but is 3.5"],
    [
      "a stride by position",
      () => new MaxPool2d(3, 2 as never),
      "MaxPool2d: options are an object such as { stride: 2 }, but got 2",
    ],
    [
      "an option of another pool",
      () => new AvgPool2d(3, { dilation: 1 } as never),
      'AvgPool2d: there is no option "dilation"',
    ],
    ["a snake", () => new MaxPool2d(3, { ceil_mode: true } as never), 'did you mean "ceilMode"?'],
    ["three sizes", () => new AdaptiveAvgPool2d([1, 1, 1] as never), "AdaptiveAvgPool2d: outputSize has to be"],
    [
      "eps by position",
      () => new BatchNorm2d(3, 1e-3 as never),
      "BatchNorm2d: options are an object such as { eps: 0.001 }, but got 0.001",
    ],
    [
      "an alpha of text",
      () => new LocalResponseNorm(5, { alpha: "1" } as never),
      'LocalResponseNorm: alpha has to be a number, but is "1"',
    ],
    ["no axis", () => new Softmax(undefined as never), "Softmax: dim has to be a whole number, but is undefined"],
    ["p of text", () => new Dropout("0.5" as never), 'Dropout: p has to lie in [0, 1), but is "0.5"'],
    [
      "a function's option",
      () => trace(new Wrong((x) => F.maxPool2d(x, 2, { strides: 2 } as never)), IMAGE),
      'maxPool2d: there is no option "strides"; did you mean "stride"?',
    ],
    [
      "a function's kernel",
      () => trace(new Wrong((x) => F.avgPool2d(x, 0)), IMAGE),
      "avgPool2d: kernelSize has to be a positive whole number",
    ],
    [
      "an even window",
      () => trace(new LocalResponseNorm(4), IMAGE),
      "LocalResponseNorm: ONNX and PyTorch place an even window (4) differently",
    ],
  ])("%s is refused", (_, build, message) => expect(build).toThrow(message));
});

describe("mistakes of newcomers", () => {
  it("a layer called like a function is told to use call", () => {
    class Net extends Module<Tensor> {
      layer = new ReLU();
      forward(x: Tensor): Tensor {
        return (this.layer as unknown as (x: Tensor) => Tensor)(x);
      }
    }
    expect(() => trace(new Net(), [1, 3])).toThrow(
      "this.layer is not a function; apply a layer with call, as in this.conv.call(x)",
    );
  });

  it("a module without forward is named", () => {
    class Empty extends Module<Tensor> {
      declare forward: (x: Tensor) => Tensor;
    }
    expect(() => trace(new Empty(), [1, 3])).toThrow("Empty has no forward(x)");
  });
});
