/** ONNX's operators as expressions of PyTorch. */
import { check, Float, formatShape, type Node, attribute as read } from "../graph/index.ts";

const { float, int, ints, string } = read;

/** A node that is to be written. */
export interface Written {
  readonly node: Node;
  /** An input as an expression; "None" for one that is left out. */
  readonly x: (input: number) => string;
  /** The numbers of an input that is a constant; undefined for others. */
  readonly known: (input: number) => readonly number[] | undefined;
}

type Rule = (written: Written) => string;

/** A number as Python writes it. */
export function py(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return 'float("inf")';
  if (value === Number.NEGATIVE_INFINITY) return 'float("-inf")';
  return String(Math.fround(value) === value || Number.isInteger(value) ? value : shortest(value));
}

/** The shortest number that is the same float32: 0.1, not 0.10000000149011612. */
export const shortest = (value: number): number => {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return value;
};

export const tuple = (values: readonly number[]): string =>
  values.length > 0 && values.every((value) => value === values[0]) ? py(values[0]!) : `(${values.map(py).join(", ")})`;

function fail({ node }: Written, why: string): never {
  throw new Error(`pytorchSource: ${node.outputs[0]?.name || node.op} (${node.op}) ${why}`);
}

function numbers(written: Written, input: number, attribute?: string): readonly number[] {
  const { node } = written;
  if (attribute !== undefined && node.attributes[attribute] !== undefined) return ints(node, attribute);
  return written.known(input) ?? fail(written, `has an input ${input} that is computed; it has to be a constant`);
}

const rank = ({ node }: Written, input = 0) => node.inputs[input]!.shape.length;
const attribute = (node: Node, name: string, otherwise: number): number =>
  node.attributes[name] instanceof Float ? shortest(float(node, name)) : otherwise;

const call =
  (name: string): Rule =>
  ({ x }) =>
    `${name}(${x(0)})`;
const binary =
  (sign: string): Rule =>
  ({ x }) =>
    `${x(0)} ${sign} ${x(1)}`;
const over =
  (name: string): Rule =>
  ({ node, x }) =>
    `${name}(${x(0)}, dim=${int(node, "axis", -1)})`;
const reduce =
  (name: string): Rule =>
  (written) => {
    const { node, x } = written;
    const axes = node.attributes.axes !== undefined || node.inputs[1] ? numbers(written, 1, "axes") : [];
    const keep = int(node, "keepdims", 1) === 1 ? ", keepdim=True" : "";
    const all = axes.length === 0 ? Array.from({ length: rank(written) }, (_, axis) => axis) : axes;
    return `${x(0)}.${name}(${`(${all.join(", ")}${all.length === 1 ? "," : ""})`}${keep})`;
  };

/** Kernel, stride and such of a window over images. */
function windowOf(node: Node) {
  const [kH = 1, kW = 1] = ints(node, "kernel_shape");
  const strides = ints(node, "strides", [1, 1]);
  const dilations = ints(node, "dilations", [1, 1]);
  const pads = ints(node, "pads", [0, 0, 0, 0]);
  return { kernel: [kH, kW], strides, dilations, pads, begin: pads.slice(0, 2), end: pads.slice(2) };
}

const isSame = (a: readonly number[], b: readonly number[]) => a.every((value, i) => value === b[i]);
const option = (name: string, values: readonly number[], usual: number) =>
  values.every((value) => value === usual) ? "" : `, ${name}=${tuple(values)}`;

/** F.pad for [top, left, bottom, right]. */
const padded = (x: string, [top, left, bottom, right]: readonly number[], value = "0") =>
  `F.pad(${x}, (${left}, ${right}, ${top}, ${bottom})${value === "0" ? "" : `, value=${value}`})`;

const pool =
  (name: "max" | "avg"): Rule =>
  (written) => {
    const { node, x } = written;
    const { kernel, strides, dilations, pads, begin, end } = windowOf(node);
    const counts = name === "max" || int(node, "count_include_pad", 0) === 1;
    const stride = isSame(kernel, strides) ? "" : `, stride=${tuple(strides)}`;
    const dilation = name === "max" ? option("dilation", dilations, 1) : "";
    if (int(node, "ceil_mode", 0) === 1)
      fail(written, "has ceil_mode as an attribute, which has to be written as padding");
    if (isSame(begin, end)) {
      const include = name === "avg" && !counts && pads.some((pad) => pad > 0) ? ", count_include_pad=False" : "";
      return `F.${name}_pool2d(${x(0)}, ${tuple(kernel)}${stride}${option("padding", begin, 0)}${dilation}${include})`;
    }
    if (name === "max")
      return `F.max_pool2d(${padded(x(0), pads, 'float("-inf")')}, ${tuple(kernel)}${stride}${dilation})`;
    if (counts) return `F.avg_pool2d(${padded(x(0), pads)}, ${tuple(kernel)}${stride})`;
    // only what lies in the image counts, as ceil_mode has it
    const side = (axis: number) => {
      const size = Number(node.inputs[0]!.shape[axis + 2]) + 2 * begin[axis]! - kernel[axis]!;
      return Math.ceil(size / strides[axis]!) + 1;
    };
    if (!isSame([side(0), side(1)], node.outputs[0]!.shape.slice(2) as number[]) || begin.some((pad) => pad > 0))
      fail(written, `has padding ${pads.join(", ")} that PyTorch's avg_pool2d does not have`);
    return `F.avg_pool2d(${x(0)}, ${tuple(kernel)}${stride}, ceil_mode=True)`;
  };

/** Arguments of a convolution after its weight and bias. */
export function convArguments(node: Node): string {
  const { strides, dilations, begin } = windowOf(node);
  const groups = int(node, "group", 1);
  return `${option("stride", strides, 1)}${option("padding", begin, 0)}${option("dilation", dilations, 1)}${groups === 1 ? "" : `, groups=${groups}`}`;
}

/** Whether a convolution pads both sides alike, as PyTorch's layers do. */
export const isEven = (node: Node): boolean => {
  const { begin, end } = windowOf(node);
  return isSame(begin, end);
};

/** The input of a convolution, padded where its layer cannot. */
export const convInput = (node: Node, x: string): string => (isEven(node) ? x : padded(x, windowOf(node).pads));

function slice(written: Written): string {
  const [starts, ends] = [numbers(written, 1, "starts"), numbers(written, 2, "ends")];
  const axes = written.node.inputs[3] ? numbers(written, 3, "axes") : starts.map((_, axis) => axis);
  const steps = written.node.inputs[4] ? numbers(written, 4) : starts.map(() => 1);
  if (steps.some((step) => step < 0)) fail(written, "runs backwards, which PyTorch's slices cannot");
  const parts = Array<string>(rank(written)).fill(":");
  axes.forEach((axis, i) => {
    const [start, end, step] = [starts[i]!, ends[i]!, steps[i]!];
    const to = end >= 2 ** 31 - 1 ? "" : String(end);
    parts[axis < 0 ? axis + parts.length : axis] = `${start === 0 ? "" : start}:${to}${step === 1 ? "" : `:${step}`}`;
  });
  while (parts.length > 1 && parts.at(-1) === ":") parts.pop();
  return `${written.x(0)}[${parts.join(", ")}]`;
}

function pad(written: Written): string {
  const { node, x } = written;
  const pads = numbers(written, 1, "pads");
  const half = pads.length / 2;
  // PyTorch begins with the last axis, and leaves out those in front that have no padding
  const pairs = Array.from({ length: half }, (_, axis) => [pads[axis]!, pads[axis + half]!] as const);
  while (pairs.length > 1 && pairs[0]![0] === 0 && pairs[0]![1] === 0) pairs.shift();
  const mode = string(node, "mode", "constant");
  const names: Readonly<Record<string, string>> = { reflect: "reflect", edge: "replicate", wrap: "circular" };
  const value = node.inputs[2] ? (written.known(2)?.[0] ?? 0) : 0;
  const how = mode === "constant" ? (value === 0 ? "" : `, value=${py(value)}`) : `, mode="${names[mode]}"`;
  return `F.pad(${x(0)}, (${pairs.reverse().flat().join(", ")})${how})`;
}

function reshape(written: Written): string {
  const { node, x } = written;
  const sizes = numbers(written, 1);
  const shape = sizes.map((size, axis) => (size === 0 ? `${x(0)}.size(${axis})` : String(size)));
  const [batch] = node.inputs[0]!.shape;
  // a size with a name fits batches of any size
  if (
    typeof batch === "string" &&
    node.outputs[0]!.shape[0] === batch &&
    !sizes.slice(1).includes(-1) &&
    sizes[0] === -1
  )
    shape[0] = `${x(0)}.size(0)`;
  return `${x(0)}.reshape(${shape.join(", ")})`;
}

function resize(written: Written): string {
  const { node, x } = written;
  const [, , H, W] = node.outputs[0]!.shape;
  if (typeof H !== "number" || typeof W !== "number")
    fail(written, `gives ${formatShape(node.outputs[0]!.shape)}, of unknown size`);
  const mode = string(node, "mode", "nearest");
  const corners = string(node, "coordinate_transformation_mode", "half_pixel") === "align_corners";
  const how: Readonly<Record<string, string>> = { nearest: "nearest", linear: "bilinear", cubic: "bicubic" };
  return `F.interpolate(${x(0)}, size=(${H}, ${W}), mode="${how[mode]}"${mode === "nearest" ? "" : `, align_corners=${corners ? "True" : "False"}`})`;
}

/** Operators by name. Layers with weights are written as modules where they can be; see `pytorch.ts`. */
export const PYTORCH: Readonly<Record<string, Rule>> = {
  Conv: ({ node, x }) => `F.conv2d(${convInput(node, x(0))}, ${x(1)}, ${x(2)}${convArguments(node)})`,
  ConvTranspose(written) {
    const { node, x } = written;
    if (!isEven(node)) fail(written, "has uneven padding");
    const extra = option("output_padding", ints(node, "output_padding", [0, 0]), 0);
    return `F.conv_transpose2d(${x(0)}, ${x(1)}, ${x(2)}${convArguments(node)}${extra})`;
  },
  Gemm(written) {
    const { node, x } = written;
    if (attribute(node, "alpha", 1) !== 1 || attribute(node, "beta", 1) !== 1 || int(node, "transA", 0) === 1)
      fail(written, "has factors or a transposed input");
    const weight = int(node, "transB", 0) === 1 ? x(1) : `${x(1)}.t()`;
    return `F.linear(${x(0)}, ${weight}, ${x(2)})`;
  },
  MatMul: binary("@"),
  BatchNormalization: ({ node, x }) =>
    `F.batch_norm(${x(0)}, ${x(3)}, ${x(4)}, ${x(1)}, ${x(2)}, self.training, ${shortest(1 - attribute(node, "momentum", 0.9))}, ${attribute(node, "epsilon", 1e-5)})`,
  InstanceNormalization: ({ node, x }) =>
    `F.instance_norm(${x(0)}, weight=${x(1)}, bias=${x(2)}, eps=${attribute(node, "epsilon", 1e-5)})`,
  LayerNormalization({ node, x }) {
    const shape = node.inputs[1]!.shape;
    return `F.layer_norm(${x(0)}, (${shape.join(", ")}${shape.length === 1 ? "," : ""}), ${x(1)}, ${x(2)}, ${attribute(node, "epsilon", 1e-5)})`;
  },
  LRN: ({ node, x }) =>
    `F.local_response_norm(${x(0)}, ${int(node, "size")}, alpha=${attribute(node, "alpha", 1e-4)}, beta=${attribute(node, "beta", 0.75)}, k=${attribute(node, "bias", 1)})`,
  Relu: call("F.relu"),
  LeakyRelu: ({ node, x }) => `F.leaky_relu(${x(0)}, ${attribute(node, "alpha", 0.01)})`,
  Elu: ({ node, x }) => `F.elu(${x(0)}, ${attribute(node, "alpha", 1)})`,
  Celu: ({ node, x }) => `F.celu(${x(0)}, ${attribute(node, "alpha", 1)})`,
  Selu: call("F.selu"),
  Sigmoid: call("torch.sigmoid"),
  Tanh: call("torch.tanh"),
  Softplus: call("F.softplus"),
  Softsign: call("F.softsign"),
  HardSwish: call("F.hardswish"),
  HardSigmoid({ node, x }) {
    const [alpha, beta] = [attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5)];
    const isUsual = Math.abs(alpha - 1 / 6) < 1e-6 && beta === 0.5;
    return isUsual ? `F.hardsigmoid(${x(0)})` : `torch.clamp(${alpha} * ${x(0)} + ${beta}, 0, 1)`;
  },
  Clip(written) {
    const limit = (input: number) => (written.node.inputs[input] ? written.x(input) : "None");
    return `torch.clamp(${written.x(0)}, ${limit(1)}, ${limit(2)})`;
  },
  Erf: call("torch.erf"),
  Exp: call("torch.exp"),
  Log: call("torch.log"),
  Sqrt: call("torch.sqrt"),
  Abs: call("torch.abs"),
  Neg: ({ x }) => `-${x(0)}`,
  Reciprocal: call("torch.reciprocal"),
  Sign: call("torch.sign"),
  Softmax: over("torch.softmax"),
  LogSoftmax: over("torch.log_softmax"),
  MaxPool: pool("max"),
  AveragePool: pool("avg"),
  GlobalAveragePool: ({ x }) => `${x(0)}.mean((2, 3), keepdim=True)`,
  GlobalMaxPool: ({ x }) => `${x(0)}.amax((2, 3), keepdim=True)`,
  ReduceMean: reduce("mean"),
  ReduceSum: reduce("sum"),
  ReduceMax: reduce("amax"),
  ReduceMin: reduce("amin"),
  Add: binary("+"),
  Sub: binary("-"),
  Mul: binary("*"),
  Div: binary("/"),
  Pow: binary("**"),
  Sum: ({ node, x }) => node.inputs.map((_, i) => x(i)).join(" + "),
  Max: ({ x }) => `torch.maximum(${x(0)}, ${x(1)})`,
  Min: ({ x }) => `torch.minimum(${x(0)}, ${x(1)})`,
  Concat: ({ node, x }) => `torch.cat((${node.inputs.map((_, i) => x(i)).join(", ")}), ${int(node, "axis")})`,
  Split(written) {
    const { node, x } = written;
    const axis = int(node, "axis", 0);
    const sizes = node.outputs.map(({ shape }) => Number(shape.at(axis)));
    return `torch.split(${x(0)}, (${sizes.join(", ")}), ${axis})`;
  },
  Flatten(written) {
    const { node, x } = written;
    const axis = int(node, "axis", 1);
    if (axis !== 1) fail(written, `flattens from axis ${axis}`);
    return `torch.flatten(${x(0)}, 1)`;
  },
  Reshape: reshape,
  Transpose: ({ node, x }) => `${x(0)}.permute(${ints(node, "perm").join(", ")})`,
  Squeeze: (written) => `${written.x(0)}.squeeze((${numbers(written, 1, "axes").join(", ")},))`,
  Unsqueeze: (written) =>
    [...numbers(written, 1, "axes")]
      .sort((a, b) => a - b)
      .reduce((text, axis) => `${text}.unsqueeze(${axis})`, written.x(0)),
  Slice: slice,
  Pad: pad,
  Resize: resize,
  DepthToSpace(written) {
    const { node, x } = written;
    if (string(node, "mode", "DCR") !== "CRD")
      fail(written, "has the mode DCR, which PyTorch's pixel_shuffle does not");
    return `F.pixel_shuffle(${x(0)}, ${int(node, "blocksize")})`;
  },
  Identity: ({ x }) => x(0),
};

/** The expression of a node. Throws for an operator that is not listed. */
export function expressionOf(written: Written): string {
  const { op, domain } = written.node;
  const rule = domain === "" && Object.hasOwn(PYTORCH, op) ? PYTORCH[op] : undefined;
  check(
    rule,
    () => `pytorchSource: ${written.node.outputs[0]?.name || op} is ${op}, which is not known in PyTorch's terms`,
  );
  return rule(written);
}
