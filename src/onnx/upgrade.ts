import {
  type Attributes,
  attribute,
  check,
  Float,
  isStatic,
  numel,
  product,
  type Shape,
  type TensorData,
  tensor,
} from "../graph/index.ts";
import { ONNX_TYPE } from "../operators/index.ts";
import type { Placeable, Placed, Placement } from "../passes/index.ts";
import { upgradeOldest } from "./oldest.ts";
import { pooledAsImage } from "./pool-axes.ts";

/*
 * Operators of other opsets in the terms of the one that graphs are written in (17). What stands here is what changed in meaning
 * or in form, as https://github.com/onnx/onnx/blob/main/docs/Changelog.md lists it.
 */

/** Opsets whose changes are known. */
export const OPSETS = { oldest: 1, newest: 23 } as const;

interface Upgrade {
  readonly version: number;
  /** Adds nodes before the one that is given back. */
  readonly place: Placement;
}

type Rule = (node: Placeable, upgrade: Upgrade) => Placeable;

/** The node as opset 17 has it. */
export function upgrade(node: Placeable, version: number, place: Placement): Placeable {
  if ((node.domain ?? "") !== "") return node;
  const given = version < 7 ? upgradeOldest(node, version, place) : node;
  const rule = Object.hasOwn(RULES, given.op) ? RULES[given.op] : undefined;
  return rule ? rule(given, { version, place }) : given;
}

/** Operators that are none of opset 17, but can be told in its terms. */
export const isUpgraded = (op: string): boolean => Object.hasOwn(RULES, op);

const before =
  (limit: number, rule: Rule): Rule =>
  (node, context) =>
    context.version < limit ? rule(node, context) : node;
const from =
  (limit: number, rule: Rule): Rule =>
  (node, context) =>
    context.version >= limit ? rule(node, context) : node;

const attributesOf = (node: Placeable) => ({ op: node.op, attributes: node.attributes ?? {} });

function without({ attributes = {} }: Placeable, ...names: string[]): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => !names.includes(name)));
}

function first(node: Placeable): Placed {
  check(node.inputs[0], () => `${node.op}: input 0 is missing`);
  return node.inputs[0];
}

function scalar(place: Placement, value: number, { type }: Placed): Placed {
  check(type.dtype === "float32", () => `a limit of ${type.dtype} cannot be taken over; export the model as float32`);
  return place.constant(tensor("float32", [], Float32Array.of(value)));
}

const floats = (place: Placement, values: ArrayLike<number>) =>
  place.constant(tensor("float32", [values.length], Float32Array.from(values)));

/** Whole numbers of an input that have to be known. */
function known(node: Placeable, i: number): readonly number[] {
  const values = node.inputs[i]?.known?.values;
  check(values && isStatic(values), () => `${node.op}: input ${i} has to be a constant`);
  return values;
}

/** Attributes with whole numbers that became inputs, in their order. */
function becomeInputs(node: Placeable, place: Placement, names: readonly string[]): Placeable {
  const inputs = names.map((name) =>
    node.attributes?.[name] === undefined ? undefined : place.ints(attribute.ints(attributesOf(node), name)),
  );
  while (inputs.length > 0 && inputs.at(-1) === undefined) inputs.pop();
  return { ...node, inputs: [node.inputs[0], ...inputs], attributes: without(node, ...names) };
}

const axesBecomeInput: Rule = (node, { place }) => becomeInputs(node, place, ["axes"]);

/** Softmax over all axes from `axis` on together, as it was before opset 13. */
const flattenedSoftmax: Rule = (node, { place }) => {
  const x = first(node);
  const { shape } = x.type;
  const given = attribute.int(attributesOf(node), "axis", 1);
  const axis = given < 0 ? given + shape.length : given;
  if (product(shape.slice(axis + 1)) === 1 && axis < shape.length) return { ...node, attributes: { axis } };
  const flat = place.one("Flatten", [x], { axis });
  return backTo({ ...node, inputs: [flat], attributes: { axis: 1 } }, shape, place);
};

/** The node with its output brought to a shape, by a Reshape that has its name. */
function backTo(node: Placeable, shape: Shape, place: Placement): Placeable {
  const [y] = place.place({ ...node, outputs: [`${node.outputs[0]}_flat`] });
  return reshape(node, y!, shape, place);
}

/** The Reshape itself, to be placed under the names of another node. */
function reshape(node: Placeable, y: Placed, shape: Shape, place: Placement): Placeable {
  const target = shape.map((dim, axis) => (typeof dim === "number" ? dim : y.type.shape[axis] === dim ? 0 : -1));
  check(
    target.filter((dim) => dim === -1).length <= 1,
    () => `${node.op}: more than one size of [${shape}] is unknown`,
  );
  return { ...node, op: "Reshape", inputs: [y, place.ints(target)], attributes: {} };
}

const split: Rule = (node, { version, place }) => {
  if (version < 13 && node.attributes?.split !== undefined) return becomeInputs(node, place, ["split"]);
  if (node.inputs[1]) return { ...node, attributes: without(node, "num_outputs") };
  const { shape } = first(node).type;
  const axis = attribute.int(attributesOf(node), "axis", 0);
  const total = shape.at(axis);
  const count = node.outputs.length;
  check(typeof total === "number", () => `Split: the size of axis ${axis} has to be known, but is ${total}`);
  // since opset 18 the last part may be smaller
  const size = Math.ceil(total / count);
  const sizes = node.outputs.map((_, i) => Math.max(0, Math.min(size, total - i * size)));
  return { ...node, inputs: [node.inputs[0], place.ints(sizes)], attributes: without(node, "num_outputs") };
};

const clip: Rule = (node, { place }) => {
  const x = first(node);
  const limit = (name: string) =>
    node.attributes?.[name] === undefined ? undefined : scalar(place, attribute.float(attributesOf(node), name), x);
  const [min, max] = [limit("min"), limit("max")];
  return { ...node, inputs: max ? [x, min, max] : min ? [x, min] : [x], attributes: {} };
};

const batchNormalization: Rule = (node, { version, place }) => {
  const attributes: Record<string, Attributes[string]> = { ...without(node, "spatial") };
  check(
    version >= 9 || attribute.int(attributesOf(node), "spatial", 1) === 1,
    () => "BatchNormalization: statistics for each pixel (spatial = 0) are not supported",
  );
  let { outputs } = node;
  if (version < 14 && outputs.length > 1) {
    attributes.training_mode = 1;
    outputs = outputs.slice(0, 3);
  }
  const changed = { ...node, attributes, outputs };
  const x = first(node);
  const { shape } = x.type;
  if (shape.length === 4) return changed;
  check(
    shape.length >= 2 && outputs.length === 1,
    () => `BatchNormalization: needs [N, C, …], but the input has the shape [${shape}]`,
  );
  const image = place.reshape(x, [shape[0]!, shape[1]!, product(shape.slice(2)), 1]);
  return backTo({ ...changed, inputs: [image, ...node.inputs.slice(1)] }, shape, place);
};

const pad: Rule = (node, { version, place }) => {
  if (version < 11) {
    const value = attribute.float(attributesOf(node), "value", 0);
    const changed = becomeInputs({ ...node, attributes: without(node, "value") }, place, ["pads"]);
    return value === 0 ? changed : { ...changed, inputs: [...changed.inputs, scalar(place, value, first(node))] };
  }
  if (!node.inputs[3]) return node;
  const rank = first(node).type.shape.length;
  const [pads, axes] = [known(node, 1), known(node, 3)];
  const full = new Array<number>(2 * rank).fill(0);
  axes.forEach((given, i) => {
    const axis = given < 0 ? given + rank : given;
    full[axis] = pads[i]!;
    full[axis + rank] = pads[i + axes.length]!;
  });
  return { ...node, inputs: [node.inputs[0], place.ints(full), node.inputs[2]] };
};

const slice: Rule = (node, { place }) => becomeInputs(node, place, ["starts", "ends", "axes"]);

/** Upsample, and Resize as it was in opset 10: pixel o comes from o / scale, rounded down. */
function oldResize(node: Placeable, scales: Placed | undefined): Placeable {
  const mode = attribute.string(attributesOf(node), "mode", "nearest");
  const attributes = { mode, coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" };
  return { ...node, op: "Resize", inputs: [node.inputs[0], undefined, scales], attributes };
}

const upsample: Rule = (node, { version, place }) => {
  check(version < 10, () => "Upsample: is none of this opset");
  const given = node.attributes?.scales;
  return oldResize(node, given instanceof Float32Array ? floats(place, given) : node.inputs[1]);
};

const resize: Rule = (node, { version, place }) => {
  if (version < 11) return oldResize(node, node.inputs[1]);
  if (version < 18) return node;
  const given = attributesOf(node);
  check(attribute.int(given, "antialias", 0) === 0, () => "Resize: antialias is not supported");
  const policy = attribute.string(given, "keep_aspect_ratio_policy", "stretch");
  check(policy === "stretch", () => `Resize: keep_aspect_ratio_policy "${policy}" is not supported`);
  const attributes = without(node, "antialias", "keep_aspect_ratio_policy", "axes");
  if (given.attributes.axes === undefined) return { ...node, attributes };
  const { shape } = first(node).type;
  const axes = attribute.ints(given, "axes").map((axis) => (axis < 0 ? axis + shape.length : axis));
  check(
    isStatic(shape.filter((_, axis) => axes.includes(axis))),
    () => `Resize: [${shape}] has a size that is unknown`,
  );
  // unnamed axes are kept: sizes become scales, which do not have to name the batch
  const sizes = node.inputs[3] ? known(node, 3) : undefined;
  const scales = sizes ? sizes.map((size, i) => size / (shape[axes[i]!] as number)) : known(node, 2);
  const full = shape.map((_, axis) => (axes.includes(axis) ? scales[axes.indexOf(axis)]! : 1));
  return { ...node, inputs: [node.inputs[0], undefined, floats(place, full)], attributes };
};

/** Axes of reductions, an input since opset 18. */
const reduceAxes: Rule = (node) => {
  const attributes = without(node, "noop_with_empty_axes");
  const axes = node.inputs[1] ? known(node, 1) : [];
  if (axes.length > 0) return { ...node, inputs: [node.inputs[0]], attributes: { ...attributes, axes } };
  const nothing = attribute.int(attributesOf(node), "noop_with_empty_axes", 0) === 1;
  return nothing
    ? { ...node, op: "Identity", inputs: [node.inputs[0]], attributes: {} }
    : { ...node, inputs: [node.inputs[0]], attributes };
};

const dropout: Rule = (node, { place }) => {
  const ratio = scalar(place, attribute.float(attributesOf(node), "ratio", 0.5), first(node));
  return { ...node, inputs: [node.inputs[0], ratio], attributes: {} };
};

const plainReshape: Rule = (node) => {
  const zero = attribute.int(attributesOf(node), "allowzero", 0) === 1;
  check(
    !zero || node.inputs[1]?.known?.values.includes(0) === false,
    () => "Reshape: sizes of 0 (allowzero) are not supported; they stand for tensors without elements",
  );
  return { ...node, attributes: {} };
};

const averagePool: Rule = (node, { place }) => {
  const dilations = attribute.ints(attributesOf(node), "dilations", [1]);
  check(
    dilations.every((step) => step === 1),
    () => "AveragePool: dilations are not supported",
  );
  return pooledAsImage({ ...node, attributes: without(node, "dilations") }, place);
};

const maxPool: Rule = (node, { place }) => {
  const columns = attribute.int(attributesOf(node), "storage_order", 0) === 1;
  check(!columns || node.outputs.length === 1, () => "MaxPool: positions by columns (storage_order) are not supported");
  return pooledAsImage({ ...node, attributes: without(node, "storage_order") }, place);
};

/** ½·x·(1 + erf(x/√2)), or its approximation by tanh. */
const gelu: Rule = (node, { place }) => {
  const x = first(node);
  const mul = (a: Placed, factor: number) => place.one("Mul", [a, scalar(place, factor, x)]);
  let inner: Placed;
  if (attribute.string(attributesOf(node), "approximate", "none") === "tanh") {
    const cube = place.one("Mul", [place.one("Mul", [x, x]), x]);
    inner = place.one("Tanh", [mul(place.one("Add", [x, mul(cube, 0.044715)]), Math.sqrt(2 / Math.PI))]);
  } else {
    inner = place.one("Erf", [mul(x, Math.SQRT1_2)]);
  }
  const gate = mul(place.one("Add", [inner, scalar(place, 1, x)]), 0.5);
  return { ...node, op: "Mul", inputs: [x, gate], attributes: {} };
};

/** x · tanh(softplus(x)) */
const mish: Rule = (node, { place }) => {
  const x = first(node);
  return { ...node, op: "Mul", inputs: [x, place.one("Tanh", [place.one("Softplus", [x])])], attributes: {} };
};

/** Groups of channels as the channels of InstanceNormalization, then the scale and bias of every channel. */
const groupNormalization: Rule = (node, { version, place }) => {
  const x = first(node);
  const [, scale, bias] = node.inputs;
  check(scale && bias, () => "GroupNormalization: needs a scale and a bias");
  const [N, ...sizes] = x.type.shape;
  check(
    N !== undefined && isStatic(sizes),
    () => `GroupNormalization: the sizes of [${x.type.shape}] have to be known`,
  );
  const groups = attribute.int(attributesOf(node), "num_groups");
  const grouped = place.reshape(x, [N, groups, numel(sizes) / groups]);
  const epsilon = new Float(attribute.float(attributesOf(node), "epsilon", 1e-5));
  // until opset 21 there was one scale for each group
  const perGroup = version < 21;
  const fill = (value: number) => floats(place, new Array<number>(groups).fill(value));
  const normalized = place.one("InstanceNormalization", [grouped, ...(perGroup ? [scale, bias] : [fill(1), fill(0)])], {
    epsilon,
  });
  if (perGroup) return reshape(node, normalized, x.type.shape, place);
  const wide = (v: Placed) => place.reshape(v, [sizes[0]!, ...sizes.slice(1).map(() => 1)]);
  const scaled = place.one("Mul", [place.reshape(normalized, x.type.shape), wide(scale)]);
  return { ...node, op: "Add", inputs: [scaled, wide(bias)], attributes: {} };
};

const castLike: Rule = (node) => {
  check(node.inputs[1], () => "CastLike: input 1 is missing");
  const to = ONNX_TYPE[(node.inputs[1].type as Pick<TensorData, "dtype">).dtype];
  return { ...node, op: "Cast", inputs: [node.inputs[0]], attributes: { to } };
};

const RULES: Readonly<Record<string, Rule>> = {
  AveragePool: averagePool,
  BatchNormalization: batchNormalization,
  Cast: from(19, (node) => ({ ...node, attributes: without(node, "saturate") })),
  CastLike: castLike,
  Clip: before(11, clip),
  Dropout: before(12, dropout),
  Gelu: gelu,
  GroupNormalization: groupNormalization,
  LogSoftmax: before(13, flattenedSoftmax),
  MaxPool: maxPool,
  Mish: mish,
  Pad: pad,
  ReduceL1: from(18, reduceAxes),
  ReduceL2: from(18, reduceAxes),
  ReduceLogSum: from(18, reduceAxes),
  ReduceLogSumExp: from(18, reduceAxes),
  ReduceMax: from(18, reduceAxes),
  ReduceMean: from(18, reduceAxes),
  ReduceMin: from(18, reduceAxes),
  ReduceProd: from(18, reduceAxes),
  ReduceSum: before(13, axesBecomeInput),
  ReduceSumSquare: from(18, reduceAxes),
  Reshape: from(14, plainReshape),
  Resize: resize,
  Slice: before(10, slice),
  Softmax: before(13, flattenedSoftmax),
  Split: split,
  Squeeze: before(13, axesBecomeInput),
  Unsqueeze: before(13, axesBecomeInput),
  Upsample: upsample,
};
