import fc from "fast-check";
import { Float, type TensorData, tensor } from "../../../src/graph/index.ts";
import type { Draw } from "../../support/draw.ts";
import { type Case, type Family, family } from "../../support/family.ts";
import { apply } from "./apply.ts";

const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 0, maxLength: 3 });

/** Which axes a tensor has of the common shape: leading ones may lack, others may be of size 1. */
const parts = (count: number) =>
  sizes.chain((shape) => {
    const part = fc.record({
      skip: fc.integer({ min: 0, max: shape.length }),
      ones: fc.array(fc.boolean(), { minLength: shape.length + 1, maxLength: shape.length + 1 }),
    });
    return fc.record({
      shape: fc.constant(shape),
      parts: fc.array(part, { minLength: count, maxLength: count }),
      // the batch is never lost: one of the inputs has the whole shape
      whole: fc.nat(count - 1),
    });
  });

interface Parts {
  shape: readonly number[];
  parts: readonly { skip: number; ones: readonly boolean[] }[];
  whole: number;
}

function shapesOf({ shape, parts, whole }: Parts, N: number): { shapes: number[][]; batched: number[] } {
  const full = [N, ...shape];
  const kept = parts.map(({ skip, ones }, i) =>
    i === whole ? full : full.map((size, axis) => (ones[axis] ? 1 : size)).slice(skip),
  );
  const batched = parts.flatMap(({ skip, ones }, i) => (i === whole || (skip === 0 && !ones[0]) ? [i] : []));
  return { shapes: kept, batched };
}

type Drawer = (draw: Draw, shape: readonly number[], i: number) => TensorData;

function broadcasting(
  op: string,
  torch: string,
  inputs: Drawer,
  { wrt = [0, 1], count = 2, ...rest }: { wrt?: readonly number[]; count?: number; smooth?: boolean } = {},
): Family {
  return family(parts(count), (geometry, N, draw): Case => {
    const { shapes, batched } = shapesOf(geometry, N);
    return { inputs: shapes.map((shape, i) => inputs(draw, shape, i)), batched, wrt, build: apply(op), torch, ...rest };
  });
}

const plain: Drawer = (draw, shape) => draw.uniform(shape, -2, 2);
const nonzero: Drawer = (draw, shape) => draw.awayFromZero(shape);
const positive: Drawer = (draw, shape) => draw.uniform(shape, 0.5, 2);
const equalities: Drawer = (draw, shape) => draw.integers(shape, -1, 1);
const booleans: Drawer = (draw, shape) => draw.booleans(shape);
/** Steps of 0.1, each input a little aside, so that no two come closer than a step of finite differences. */
const aside: Drawer = (draw, shape, i) => {
  const { data, ...rest } = draw.spaced(shape);
  return { ...rest, data: data.map((value) => value + 0.03 * i) };
};

const comparison = (op: string, torch: string) => broadcasting(op, torch, equalities, { wrt: [] });

function unary(
  op: string,
  torch: string,
  inputs: Drawer,
  options: Partial<Case> & { attributes?: Parameters<typeof apply>[1] } = {},
): Family {
  const { attributes, ...rest } = options;
  return family(sizes, (shape, N, draw) => ({
    inputs: [inputs(draw, [N, ...shape], 0)],
    build: apply(op, attributes),
    torch,
    ...rest,
  }));
}

const around: Drawer = (draw, shape) => draw.uniform(shape, -2, 2);
const kinked: Drawer = (draw, shape) => draw.spaced(shape);

export const elementwise: Record<string, Family> = {
  Add: broadcasting("Add", "x[0] + x[1]", plain),
  Sub: broadcasting("Sub", "x[0] - x[1]", plain),
  Mul: broadcasting("Mul", "x[0] * x[1]", plain),
  Div: broadcasting("Div", "x[0] / x[1]", nonzero),
  Pow: broadcasting("Pow", "x[0] ** x[1]", positive, { wrt: [0] }),
  Sum: broadcasting("Sum", "x[0] + x[1] + x[2]", plain, { wrt: [0, 1, 2], count: 3 }),
  Mean: broadcasting("Mean", "(x[0] + x[1] + x[2]) / 3", plain, { wrt: [0, 1, 2], count: 3 }),
  Max: broadcasting("Max", "x[0].maximum(x[1]).maximum(x[2])", aside, { wrt: [0, 1, 2], count: 3 }),
  Min: broadcasting("Min", "x[0].minimum(x[1]).minimum(x[2])", aside, { wrt: [0, 1, 2], count: 3 }),
  Where: broadcasting(
    "Where",
    "torch.where(x[0], x[1], x[2])",
    (draw, shape, i) => (i === 0 ? draw.booleans(shape) : draw.uniform(shape)),
    { wrt: [1, 2], count: 3 },
  ),
  Equal: comparison("Equal", "x[0] == x[1]"),
  Greater: comparison("Greater", "x[0] > x[1]"),
  GreaterOrEqual: comparison("GreaterOrEqual", "x[0] >= x[1]"),
  Less: comparison("Less", "x[0] < x[1]"),
  LessOrEqual: comparison("LessOrEqual", "x[0] <= x[1]"),
  And: broadcasting("And", "x[0] & x[1]", booleans, { wrt: [] }),
  Or: broadcasting("Or", "x[0] | x[1]", booleans, { wrt: [] }),
  Not: unary("Not", "~x[0]", booleans, { wrt: [] }),

  Neg: unary("Neg", "-x[0]", around),
  Abs: unary("Abs", "x[0].abs()", kinked),
  Sign: unary("Sign", "x[0].sign()", kinked),
  Floor: unary("Floor", "x[0].floor()", around, { wrt: [] }),
  Ceil: unary("Ceil", "x[0].ceil()", around, { wrt: [] }),
  Round: unary("Round", "x[0].round()", around, { wrt: [] }),
  /** Of whole numbers, as sizes are. */
  Mod: family(sizes, (shape, N, draw) => {
    const whole = ({ shape, data }: TensorData) =>
      tensor("int64", shape, BigInt64Array.from(data as Float32Array, BigInt));
    return {
      inputs: [whole(draw.integers([N, ...shape], -9, 9)), whole(draw.integers([], 1, 4))],
      wrt: [],
      build: apply("Mod"),
      torch: "x[0] % x[1]",
    };
  }),
  Exp: unary("Exp", "x[0].exp()", around),
  Log: unary("Log", "x[0].log()", positive),
  Sqrt: unary("Sqrt", "x[0].sqrt()", positive),
  Reciprocal: unary("Reciprocal", "1 / x[0]", nonzero),
  Sigmoid: unary("Sigmoid", "x[0].sigmoid()", around),
  Tanh: unary("Tanh", "x[0].tanh()", around),
  Erf: unary("Erf", "x[0].erf()", around),
  Relu: unary("Relu", "F.relu(x[0])", equalities, { smooth: false }),
  LeakyRelu: unary("LeakyRelu", "F.leaky_relu(x[0], 0.2)", kinked, { attributes: { alpha: new Float(0.2) } }),
  HardSigmoid: unary("HardSigmoid", "(0.2 * x[0] + 0.5).clamp(0, 1)", kinked, {
    attributes: { alpha: new Float(0.2), beta: new Float(0.5) },
  }),
  HardSwish: unary("HardSwish", "F.hardswish(x[0])", kinked),
  Identity: unary("Identity", "x[0]", around),
  Dropout: unary("Dropout", "x[0]", around),
  Cast: unary("Cast", "x[0]", around, {
    build: ([x]) => {
      const { ops } = x!.tracer;
      return x!.wrap(ops.cast(ops.cast(x!.value, "float64"), "float32"));
    },
  }),
  /** With both limits PyTorch's hardtanh, whose gradient is 0 on them as ours. */
  Clip: family(
    fc.record({ shape: sizes, limits: fc.constantFrom("both", "min", "max", "none") }),
    (geometry, N, draw) => {
      const { shape, limits } = geometry;
      const [low, high] = [limits === "both" || limits === "min", limits === "both" || limits === "max"];
      return {
        inputs: [low && high ? draw.integers([N, ...shape], -2, 2) : draw.spaced([N, ...shape])],
        smooth: !(low && high),
        build: ([x]) => {
          const { ops } = x!.tracer;
          const inputs = [x!.value, low ? ops.scalar(-1) : undefined, ...(high ? [ops.scalar(1)] : [])];
          return x!.wrap(ops.one("Clip", inputs));
        },
        torch: low && high ? "F.hardtanh(x[0])" : low ? "x[0].clamp(min=-1)" : high ? "x[0].clamp(max=1)" : "x[0]",
      };
    },
  ),
};
