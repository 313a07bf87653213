/** What layers refuse, how containers hold modules, how layers print and are drawn. */
import { describe, expect, it } from "vitest";
import { draw } from "../../src/draw/index.ts";
import { formatShape, type Shape } from "../../src/graph/index.ts";
import * as nn from "../../src/nn/index.ts";
import { LAYERS } from "./layers.ts";

const { F } = nn;

/** A network that is a function of its input. */
class Net extends nn.Module<nn.Tensor> {
  readonly #forward: (x: nn.Tensor) => nn.Tensor;
  constructor(forward: (x: nn.Tensor) => nn.Tensor) {
    super();
    this.#forward = forward;
  }
  forward(x: nn.Tensor) {
    return this.#forward(x);
  }
}

const shapeOf = (forward: (x: nn.Tensor) => nn.Tensor, input: Shape = ["N", 4, 6, 8]) =>
  formatShape(nn.trace(new Net(forward), input).outputs.output!.shape);

describe("arguments and options are checked", () => {
  const any = (value: unknown) => value as never;
  it.each<[string, () => unknown, RegExp]>([
    ["a slope of text", () => new nn.LeakyReLU(any("0.1")), /LeakyReLU: negativeSlope has to be a number/],
    ["half a parameter", () => new nn.PReLU(0.5), /PReLU: numParameters has to be a positive whole number/],
    ["no slope", () => new nn.CELU(0), /CELU: alpha has to differ from 0/],
    ["a form by position", () => new nn.GELU(any("tanh")), /GELU: options are an object such as { approximate/],
    [
      "another form",
      () => new nn.GELU({ approximate: any("erf") }),
      /GELU: approximate has to be one of "none", "tanh"/,
    ],
    ["limits the wrong way", () => new nn.Hardtanh(1, -1), /Hardtanh: minVal 1 has to be less than maxVal -1/],
    [
      "a misspelt option",
      () => new nn.ConvTranspose2d(2, 2, 3, any({ output_padding: 1 })),
      /did you mean "outputPadding"/,
    ],
    ["groups", () => new nn.ConvTranspose2d(3, 4, 3, { groups: 2 }), /3 → 4 channels do not divide into 2 groups/],
    ["uneven groups", () => new nn.GroupNorm(3, 4), /GroupNorm: 4 channels do not divide into 3 groups/],
    ["no sizes", () => new nn.LayerNorm([]), /LayerNorm: normalizedShape has to be a positive whole number or a list/],
    ["a positional eps", () => new nn.InstanceNorm2d(4, any(1e-3)), /InstanceNorm2d: options are an object/],
    [
      "another option",
      () => new nn.BatchNorm1d(4, any({ elementwiseAffine: true })),
      /BatchNorm1d: there is no option/,
    ],
    ["p of 1", () => new nn.Dropout2d(1), /Dropout2d: p has to lie in \[0, 1\)/],
    ["three sides", () => new nn.ZeroPad2d(any([1, 1, 1])), /ZeroPad2d: padding has to be a whole number, or four/],
    ["no value", () => new nn.ConstantPad2d(1, any(undefined)), /ConstantPad2d: value has to be a number/],
    ["no size", () => new nn.Upsample({}), /Upsample: needs one of size and scaleFactor/],
    ["both", () => new nn.Upsample({ size: 2, scaleFactor: 2 }), /Upsample: needs one of size and scaleFactor/],
    ["corners of nearest", () => new nn.Upsample({ size: 2, alignCorners: true }), /alignCorners is for the modes/],
    ["no factor", () => new nn.PixelShuffle(0), /PixelShuffle: upscaleFactor has to be a positive whole number/],
    ["no groups", () => new nn.ChannelShuffle(any(null)), /ChannelShuffle: groups has to be a positive whole number/],
    ["ceil_mode", () => new nn.LPPool2d(2, 3, any({ ceil_mode: true })), /LPPool2d: .*did you mean "ceilMode"/],
    ["a size", () => new nn.AdaptiveMaxPool2d(any("7")), /AdaptiveMaxPool2d: outputSize has to be/],
    ["one number", () => new nn.Unflatten(1, any(4)), /Unflatten: unflattenedSize has to be a list of whole numbers/],
  ])("%s", (_, make, message) => expect(make).toThrow(message));

  it.each<[string, (x: nn.Tensor) => nn.Tensor, RegExp]>([
    [
      "too much mirrored",
      (x) => F.pad(x, [8, 0], { mode: "reflect" }),
      /to mirror 8 elements, axis 3 of \[N, 4, 6, 8\]/,
    ],
    ["an odd list", (x) => F.pad(x, [1, 1, 1]), /pad: takes two amounts for each axis/],
    ["negative mirrors", (x) => F.pad(x, [-1, 0], { mode: "reflect" }), /negative amounts need mode "constant"/],
    ["another mode", (x) => F.pad(x, [1, 1], { mode: "circular" as never }), /pad: mode has to be one of "constant"/],
    ["groups", (x) => F.channelShuffle(x, 3), /do not divide into 3 groups/],
    ["blocks", (x) => F.pixelShuffle(x, 3), /does not divide into blocks of 3×3/],
    ["groups to normalize", (x) => F.groupNorm(x, 3), /groupNorm: the channels of \[N, 4, 6, 8\] do not divide into 3/],
    ["other sizes", (x) => F.layerNorm(x, 6), /layerNorm: the input \[N, 4, 6, 8\] does not end in \[6\]/],
    ["one pixel", (x) => F.instanceNorm(x.mean([2, 3], true)), /has one value per channel, and so no variance/],
    ["a step back", (x) => x.slice(2, 0, 4, -1), /slice: step has to be a positive whole number, but is -1/],
    ["no such axis", (x) => x.squeeze(4), /axis 4 is outside the 4 axes of \[N, 4, 6, 8\]/],
    ["a batch apart", (x) => x.split(1)[0]!, /split: the size of axis 0 of \[N, 4, 6, 8\] is not known/],
    ["parts", (x) => x.split([1, 2], 1)[0]!, /parts of 1 \+ 2 elements do not make up the 4 of axis 1/],
    ["larger", (x) => x.expand(-1, 5, -1, -1), /expand: \[N, 4, 6, 8\] does not expand to/],
    ["no limits", (x) => x.clamp(), /clamp: needs min, max or both/],
    ["nothing to stack", () => nn.stack([]), /stack: needs at least one tensor/],
  ])("%s", (_, forward, message) => expect(() => shapeOf(forward)).toThrow(message));

  it("errors of shapes name the layer's path", () => {
    const net = new nn.Sequential(new nn.ReLU(), new nn.GroupNorm(2, 6));
    expect(() => nn.trace(net, [1, 4, 2, 2])).toThrow(
      "1 (GroupNorm): the input [1, 4, 2, 2] has 4 channels, but 6 are expected",
    );
    const maps = new nn.Sequential(new nn.BatchNorm1d(4));
    expect(() => nn.trace(maps, [1, 4, 2, 2])).toThrow("0 (BatchNorm1d): takes [N, C] or [N, C, L], not [1, 4, 2, 2]");
  });
});

describe("containers", () => {
  class Blocks extends nn.Module<nn.Tensor> {
    blocks = new nn.ModuleList([new nn.Linear(4, 4), new nn.Linear(4, 4)]).append(new nn.Linear(4, 4));
    heads = new nn.ModuleDict({ color: new nn.Linear(4, 3), form: new nn.Identity() });
    forward(x: nn.Tensor) {
      let y = x;
      for (const block of this.blocks) y = block.call(y).relu();
      return this.heads.get("color").call(y);
    }
  }

  it("ModuleList and ModuleDict hold modules under PyTorch's keys", () => {
    const model = new Blocks();
    expect([...model.stateShapes().keys()].filter((key) => key.endsWith("weight"))).toEqual([
      "blocks.0.weight",
      "blocks.1.weight",
      "blocks.2.weight",
      "heads.color.weight",
    ]);
    expect(formatShape(nn.trace(model, ["N", 4]).outputs.output!.shape)).toBe("[N, 3]");
    expect(model.blocks.length).toBe(3);
    expect(model.blocks[1]).toBe(model.blocks.at(-2));
    expect(model.heads.keys()).toEqual(["color", "form"]);
    expect([...model.heads].map(([name]) => name)).toEqual(["color", "form"]);
  });

  it("they cannot be called, and hold modules only", () => {
    const list = new nn.Sequential(new nn.ModuleList([new nn.ReLU()]));
    expect(() => nn.trace(list, [1])).toThrow("0 (ModuleList): only holds modules; call those, or use Sequential");
    expect(() => new nn.ModuleList(new nn.ReLU() as never)).toThrow("ModuleList: takes a list of modules");
    expect(() => new nn.ModuleList([3 as never])).toThrow("ModuleList: takes modules, but got 3");
    expect(() => new nn.ModuleDict([new nn.ReLU()] as never)).toThrow("ModuleDict: takes an object of modules by name");
    expect(() => new nn.ModuleDict({ forward: new nn.ReLU() })).toThrow('a module cannot be called "forward"');
    expect(() => new nn.ModuleDict({ "a.b": new nn.ReLU() })).toThrow('a module cannot be called "a.b"');
    expect(() => new nn.ModuleDict({ a: new nn.ReLU() }).get("b" as never)).toThrow('no module "b"; there are a');
  });
});

it("Dropout2d drops whole channels, StochasticDepth whole images, and functions that drop follow the mode of their module", () => {
  const { tracer, graph } = nn.trace(new nn.Sequential(new nn.Dropout2d(0.25)), ["N", 4, 6, 8], { training: true });
  expect(tracer.masks).toEqual([{ input: "dropout:0", shape: ["N", 4, 1, 1], p: 0.25 }]);
  expect(graph.inputs.map(({ shape }) => formatShape(shape))).toEqual(["[N, 4, 6, 8]", "[N, 4, 1, 1]"]);
  const net = new Net((x) => F.dropout2d(F.dropout(F.dropout(x), 0.3), 0.2));
  const masks = () => nn.trace(net, ["N", 4, 6, 8], { training: true }).tracer.masks;
  expect(masks().map(({ input, shape, p }) => [input, formatShape(shape), p])).toEqual([
    ["dropout:", "[N, 4, 6, 8]", 0.5],
    ["dropout:#2", "[N, 4, 6, 8]", 0.3],
    ["dropout:#3", "[N, 4, 1, 1]", 0.2],
  ]);
  net.eval();
  expect(masks()).toEqual([]);
  const deep = nn.trace(new nn.Sequential(new nn.StochasticDepth(0.1)), ["N", 4, 6, 8], { training: true }).tracer;
  expect(deep.masks).toEqual([{ input: "dropout:0", shape: ["N", 1, 1, 1], p: 0.1 }]);
  expect(String(new nn.StochasticDepth(0.1))).toBe("StochasticDepth(p=0.1, mode=row)");
  expect(() => shapeOf((x) => F.dropout(x, 1))).toThrow("dropout: p has to lie in [0, 1), but is 1");
});

it("F.batchNorm needs running statistics, which are buffers where they follow the batch", () => {
  expect(() => shapeOf((x) => F.batchNorm(x))).toThrow("batchNorm: needs a running mean and variance, unless training");
  const follows = (x: nn.Tensor) => F.batchNorm(x, x.mean([0, 2, 3]), undefined, { training: true });
  expect(() => shapeOf(follows)).toThrow("running statistics have to be buffers of the network");
  expect(() => shapeOf((x) => F.batchNorm(x, undefined, undefined, { train: true } as never))).toThrow('"training"?');
});

it("F has the function of every layer that has one in torch.nn.functional", () => {
  const functions: readonly string[] = Object.keys(F).map((name) => name.toLowerCase());
  const others =
    /^(F|Layer|ModuleList|ModuleDict|Module|ModuleBuffer|Sequential|Parameter|Parametrized|Tensor|Tracer|Identity|Flatten)$/;
  const named = (layer: string) =>
    layer
      .replace(/^.*Pad2d$/, "pad")
      .replace(/^Upsample$/, "interpolate")
      .replace(/^((Batch|Instance).*Norm).d$/, "$1");
  const layers = Object.keys(nn).filter((name) => /^[A-Z]/.test(name) && !others.test(name));
  expect(layers.length).toBeGreaterThan(40);
  expect(layers.filter((layer) => !functions.includes(named(layer).toLowerCase()))).toEqual([]);
});

it("each layer is drawn under its name", () => {
  const titles = {
    conv: ["upconv"],
    norm: ["batch norm", "layer norm", "instance norm", "GroupNorm"],
    activation: [
      "ReLU6",
      "Hardtanh",
      "leaky ReLU",
      "PReLU",
      "ELU",
      "SELU",
      "CELU",
      "GELU",
      "SiLU",
      "Mish",
      "hard swish",
      "sigmoid",
      "softplus",
    ],
    pool: ["max pool", "AdaptiveMaxPool2d", "LPPool2d"],
    other: ["dropout", "pad", "resize", "depth to space", "ChannelShuffle"],
  };
  const drawn = LAYERS.map(({ make, input }) => {
    const svg = draw(new nn.Sequential(make()), { input: [2, ...input], training: true });
    return svg.match(/<text[^>]*>([^<]*)</g)!.map((text) => text.replace(/<[^>]*>|</g, ""));
  });
  for (const title of Object.values(titles).flat())
    expect(drawn.some((texts) => texts.some((text) => text.startsWith(title)))).toBe(true);
});

it("layers print as in PyTorch", () => {
  expect(String(new nn.Sequential(new nn.InstanceNorm2d(4), new nn.ELU(), new nn.ReflectionPad2d([1, 2, 3, 0])))).toBe(
    `Sequential(
  (0): InstanceNorm2d(4, eps=1e-05, momentum=0.1, affine=False, bias=False, track_running_stats=False)
  (1): ELU(alpha=1.0)
  (2): ReflectionPad2d((1, 2, 3, 0))
)`,
  );
  expect(String(new nn.LayerNorm(8))).toBe("LayerNorm((8,), eps=1e-05, elementwise_affine=True, bias=True)");
  expect(String(new nn.Upsample({ size: [9, 5] }))).toBe("Upsample(size=(9, 5), mode='nearest')");
});
