import { attribute, type Graph, type Node, numel, sameShape, type TensorData, type Value } from "../graph/index.ts";
import { windowOf } from "../operators/index.ts";

/** Height and width. */
type Pair = readonly [number, number];

interface Field {
  /** Pixels of the image that one pixel depends on. */
  readonly size: Pair;
  /** Pixels of the image between neighbours. */
  readonly jump: Pair;
}

/** The window of an operator, and how far it moves from one output pixel to the next. */
interface Reach {
  readonly size: Pair;
  readonly stride: Pair;
}

const POINT: Field = { size: [1, 1], jump: [1, 1] };
const ALL: Field = { size: [Infinity, Infinity], jump: [1, 1] };

/**
 * Receptive field of every value that depends on an input, in pixels [height, width]; Infinity for the whole image.
 *
 *     size ← size + (reach − 1)·jump,  jump ← jump·stride,  reach = dilation·(kernel − 1) + 1
 *
 * Where branches join, the largest counts.
 */
export function receptiveFields(graph: Graph): Map<Value, Pair> {
  const fields = new Map<Value, Field>();
  for (const value of graph.inputs) fields.set(value, POINT);
  for (const node of graph.nodes) {
    const known = node.inputs.flatMap((value) => (value && fields.get(value)) ?? []);
    if (known.length === 0) continue;
    const field = mixesPixels(graph, node) ? ALL : grown(widest(known), reachOf(graph, node));
    for (const value of node.outputs) fields.set(value, field);
  }
  return new Map([...fields].map(([value, { size }]) => [value, size]));
}

const pair = (of: (axis: 0 | 1) => number): Pair => [of(0), of(1)];

function widest(fields: readonly Field[]): Field {
  const most = (key: keyof Field) => pair((axis) => Math.max(...fields.map((field) => field[key][axis])));
  return { size: most("size"), jump: most("jump") };
}

function grown({ size, jump }: Field, reach: Reach | undefined): Field {
  if (!reach) return { size, jump };
  return {
    size: pair((axis) => size[axis] + (reach.size[axis] - 1) * jump[axis]),
    jump: pair((axis) => jump[axis] * reach.stride[axis]),
  };
}

/** Whether every pixel of the output depends on all of the input. Images are [..., H, W]. */
function mixesPixels(graph: Graph, node: Node): boolean {
  const x = node.inputs[0]!;
  const pixels = x.shape.slice(2).map(Number);
  const reaches = (axes: readonly number[]) =>
    axes.length === 0 || axes.some((axis) => (axis < 0 ? axis + x.shape.length : axis) >= 2);
  if (numel(pixels) === 1 && x.shape.length > 2) return false;
  if (node.op.startsWith("Reduce")) {
    const axes = node.inputs[1] && graph.constants.get(node.inputs[1])?.data;
    return reaches(axes ? Array.from(axes, Number) : attribute.ints(node, "axes", []));
  }
  switch (node.op) {
    case "GlobalAveragePool":
    case "GlobalMaxPool":
    case "Gemm":
      return true;
    case "MatMul":
      return averaging(graph, node) === undefined;
    case "Flatten":
    case "Reshape":
      return !sameShape(x.shape.slice(-2), node.outputs[0]!.shape.slice(-2));
    case "Softmax":
    case "LogSoftmax":
      return x.shape.length > 2 && reaches([attribute.int(node, "axis", -1)]);
    default:
      return false;
  }
}

function reachOf(graph: Graph, node: Node): Reach | undefined {
  if (node.op === "MatMul") return averaging(graph, node);
  if (node.op !== "Conv" && node.op !== "MaxPool" && node.op !== "AveragePool") return undefined;
  const weight = node.op === "Conv" ? (node.inputs[1]!.shape.slice(2) as number[]) : undefined;
  const { kernel, stride, dilation } = windowOf(node, node.inputs[0]!.shape, weight);
  return { size: pair((axis) => dilation[axis] * (kernel[axis] - 1) + 1), stride };
}

/** Pooling that no ONNX operator expresses is a product with constant matrices: from the left over rows, else over columns. */
function averaging({ constants }: Graph, { inputs: [a, b] }: Node): Reach | undefined {
  const [rows, columns] = [a && constants.get(a), b && constants.get(b)];
  if (rows?.shape.length === 2) return band(rows, false);
  return columns?.shape.length === 2 ? band(columns, true) : undefined;
}

/** Longest stretch of nonzero elements in a row (or column) of a matrix, and its largest step from one to the next. */
function band({ shape, data }: TensorData, byColumn: boolean): Reach {
  const [height, width] = shape as Pair;
  const [lines, length] = byColumn ? [width, height] : [height, width];
  const stretches = Array.from({ length: lines }, (_, line) => {
    const used = Array.from({ length }, (_, i) => i).filter((i) =>
      Number(data[byColumn ? i * width + line : line * width + i]),
    );
    return { first: used[0] ?? 0, last: used.at(-1) ?? 0 };
  });
  const moves = stretches.slice(1).map(({ first }, i) => first - stretches[i]!.first);
  const along = (count: number): Pair => (byColumn ? [1, count] : [count, 1]);
  return {
    size: along(Math.max(...stretches.map(({ first, last }) => last - first + 1))),
    stride: along(Math.max(1, ...moves)),
  };
}
