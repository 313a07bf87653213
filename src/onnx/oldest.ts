/** Opsets 1 to 6 in the terms of opset 7: broadcasting was asked for by attributes, and some inputs were attributes. */
import { type Attributes, attribute, check } from "../graph/index.ts";
import { ONNX_TYPE } from "../operators/index.ts";
import type { Placeable, Placed, Placement } from "../passes/index.ts";

/** The attributes of the training form and of in-place computation, which mean nothing here. */
const DROPPED = ["consumed_inputs", "is_test"];
const BINARY = new Set(["Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Equal", "Greater", "Less"]);

/** The node as opset 7 has it. Throws if its meaning is not clear. */
export function upgradeOldest(given: Placeable, version: number, place: Placement): Placeable {
  const attributes = Object.fromEntries(
    Object.entries(given.attributes ?? {}).filter(([name]) => !DROPPED.includes(name)),
  );
  const node = { ...given, attributes };
  const { op } = node;
  if (BINARY.has(op)) return aligned(node, place);
  switch (op) {
    case "Gemm":
      return { ...node, attributes: without(attributes, "broadcast") };
    case "PRelu":
      return { ...node, inputs: [node.inputs[0], perChannel(node, place)] };
    case "BatchNormalization":
      // what a training step would return is not computed
      return { ...node, outputs: node.outputs.slice(0, 1) };
    case "Dropout":
      return { ...node, outputs: node.outputs.slice(0, 1) };
    case "Concat":
      return version < 4 && attributes.axis === undefined ? { ...node, attributes: { ...attributes, axis: 1 } } : node;
    case "Reshape":
      return version < 5 ? shapeBecomesInput(node, place) : node;
    case "Cast":
      return { ...node, attributes: { ...attributes, to: typeNumber(attributes.to) } };
    case "Pad":
      return version < 2 && attributes.paddings !== undefined
        ? { ...node, attributes: { ...without(attributes, "paddings"), pads: attributes.paddings } }
        : node;
    case "Upsample":
      return attributes.scales === undefined ? scalesOf(node) : node;
    default:
      return node;
  }
}

const without = (attributes: Attributes, name: string): Attributes =>
  Object.fromEntries(Object.entries(attributes).filter(([key]) => key !== name));

const view = ({ op, attributes = {} }: Placeable) => ({ op, attributes });

/** `broadcast = 1`: the second operand's axes meet those of the first from `axis` on, or else the last ones. */
function aligned(node: Placeable, place: Placement): Placeable {
  const { inputs, attributes = {} } = node;
  const rest = without(without(attributes, "broadcast"), "axis");
  const [a, b] = inputs;
  const axis = attributes.axis === undefined ? undefined : attribute.int(view(node), "axis");
  if (axis === undefined || !a || !b || attribute.int(view(node), "broadcast", 0) === 0)
    return { ...node, attributes: rest };
  const rank = a.type.shape.length;
  const after = rank - (axis < 0 ? axis + rank : axis) - b.type.shape.length;
  check(after >= 0, () => `${node.op}: [${b.type.shape}] does not fit into [${a.type.shape}] from axis ${axis} on`);
  const wide = after === 0 ? b : place.reshape(b, [...b.type.shape, ...new Array<number>(after).fill(1)]);
  return { ...node, inputs: [a, wide], attributes: rest };
}

/** The slope of PRelu belonged to axis 1. */
function perChannel({ inputs: [x, slope] }: Placeable, place: Placement): Placed | undefined {
  const channels = slope?.type.shape.length === 1 && slope.type.shape[0] !== 1;
  return x && slope && channels
    ? place.reshape(slope, [...slope.type.shape, ...x.type.shape.slice(2).map(() => 1)])
    : slope;
}

function shapeBecomesInput(node: Placeable, place: Placement): Placeable {
  const shape = attribute.ints(view(node), "shape");
  return { ...node, inputs: [node.inputs[0], place.ints(shape)], attributes: {} };
}

/** Types were written as text: FLOAT, INT64. */
function typeNumber(to: Attributes[string] | undefined): number {
  if (typeof to === "number") return to;
  const names: Readonly<Record<string, number>> = { FLOAT: 1, DOUBLE: ONNX_TYPE.float64 };
  const name = String(to);
  const found = names[name] ?? Object.entries(ONNX_TYPE).find(([type]) => type.toUpperCase() === name)?.[1];
  check(found !== undefined, () => `Cast: the type ${name} is not known`);
  return found;
}

/** Upsample had a factor for each axis of the image. */
function scalesOf(node: Placeable): Placeable {
  const factor = (name: string) => attribute.float(view(node), name, 1);
  const scales = Float32Array.of(1, 1, factor("height_scale"), factor("width_scale"));
  const attributes = without(without(node.attributes ?? {}, "height_scale"), "width_scale");
  return { ...node, attributes: { ...attributes, scales } };
}
