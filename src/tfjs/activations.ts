import { type Attributes, Float, type Value } from "../graph/index.ts";
import type { Builder, Held } from "./builder.ts";
import { ensure, quote } from "./error.ts";

type Activation = (b: Builder, x: Held) => Value;

const one =
  (op: string, attributes: Attributes = {}): Activation =>
  (b, { value }) =>
    b.ops.one(op, [value], attributes);

const softmax =
  (op: string): Activation =>
  (b, x) =>
    b.ops.one(op, [x.value], { axis: b.axis(x, -1) });

/** Limits at both ends. */
export const clip = (b: Builder, x: Value, low: number, high: number): Value =>
  b.ops.one("Clip", [x, b.ops.scalar(low), b.ops.scalar(high)]);

/** By the names of Keras and those of TensorFlow's fused operators, in lower case without "_". */
const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  linear: (_, { value }) => value,
  relu: one("Relu"),
  relu6: (b, { value }) => clip(b, value, 0, 6),
  elu: one("Elu"),
  selu: one("Selu"),
  sigmoid: one("Sigmoid"),
  // max(0, min(1, 0.2x + 0.5)), as TensorFlow.js has it
  hardsigmoid: one("HardSigmoid", { alpha: new Float(0.2), beta: new Float(0.5) }),
  softplus: one("Softplus"),
  softsign: one("Softsign"),
  tanh: one("Tanh"),
  exponential: one("Exp"),
  softmax: softmax("Softmax"),
  logsoftmax: softmax("LogSoftmax"),
  swish: (b, { value }) => b.ops.mul(value, b.ops.one("Sigmoid", [value])),
  silu: (b, { value }) => b.ops.mul(value, b.ops.one("Sigmoid", [value])),
  mish: (b, { value }) => b.ops.mul(value, b.ops.one("Tanh", [b.ops.one("Softplus", [value])])),
  gelu: (b, { value }) => half(b, value, b.ops.one("Erf", [b.ops.scale(value, Math.SQRT1_2)])),
  gelunew: (b, { value }) => {
    const cubed = b.ops.scale(b.ops.pow(value, 3), 0.044715);
    return half(b, value, b.ops.one("Tanh", [b.ops.scale(b.ops.add(value, cubed), Math.sqrt(2 / Math.PI))]));
  },
};

/** x/2 · (1 + y) */
const half = (b: Builder, x: Value, y: Value) => b.ops.mul(b.ops.scale(x, 0.5), b.ops.add(y, b.ops.scalar(1)));

/** An activation by its name. Throws a TfjsError that lists the known ones. */
export function activate(b: Builder, x: Held, name: string): Held {
  const key = name.toLowerCase().replaceAll("_", "");
  const known = Object.hasOwn(ACTIVATIONS, key) ? ACTIVATIONS[key] : undefined;
  ensure(
    known,
    () => `the activation ${quote(name)} is not supported; supported are ${Object.keys(ACTIVATIONS).join(", ")}`,
  );
  return { ...x, value: known(b, x) };
}
