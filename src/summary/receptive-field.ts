import { type Graph, type Node, numel, type Value } from "../graph/index.ts";
import { windowOf } from "../operators/index.ts";

interface Field {
  /** Pixels of the input that one pixel depends on. */
  readonly size: readonly [number, number];
  /** Pixels of the input between neighbours. */
  readonly jump: readonly [number, number];
}

const POINT: Field = { size: [1, 1], jump: [1, 1] };
const ALL: Field = { size: [Infinity, Infinity], jump: [1, 1] };

/** Operators through which every output element depends on all pixels. */
const MIXES = new Set([
  "GlobalAveragePool",
  "GlobalMaxPool",
  "Gemm",
  "MatMul",
  "Flatten",
  "Reshape",
  "ReduceMean",
  "ReduceSum",
]);

/**
 * Receptive field of every value along height and width, in pixels of the input; Infinity for all of them.
 *
 *     size ← size + dilation·(kernel − 1)·jump,  jump ← jump·stride
 */
export function receptiveFields(graph: Graph): Map<Value, readonly [number, number]> {
  const fields = new Map<Value, Field>();
  for (const value of graph.inputs) fields.set(value, POINT);
  for (const node of graph.nodes) {
    const field = through(node, fields);
    if (field) for (const value of node.outputs) fields.set(value, field);
  }
  return new Map([...fields].map(([value, { size }]) => [value, size]));
}

function through(node: Node, fields: ReadonlyMap<Value, Field>): Field | undefined {
  const known = node.inputs.flatMap((value) => (value && fields.get(value)) ?? []);
  if (known.length === 0) return undefined;
  const widest = (axis: 0 | 1) => Math.max(...known.map(({ size }) => size[axis]));
  const jumps = (axis: 0 | 1) => Math.max(...known.map(({ jump }) => jump[axis]));
  const field: Field = { size: [widest(0), widest(1)], jump: [jumps(0), jumps(1)] };
  if (MIXES.has(node.op)) return mixesPixels(node) ? ALL : field;
  if (node.op !== "Conv" && node.op !== "MaxPool" && node.op !== "AveragePool") return field;
  const x = node.inputs[0]!;
  const kernel = node.op === "Conv" ? (node.inputs[1]!.shape.slice(2) as number[]) : undefined;
  const { kernel: size, stride, dilation } = windowOf(node, x.shape, kernel);
  const grown = (axis: 0 | 1) => field.size[axis] + dilation[axis] * (size[axis] - 1) * field.jump[axis];
  return { size: [grown(0), grown(1)], jump: [field.jump[0] * stride[0], field.jump[1] * stride[1]] };
}

/** Flattening mixes only where there is more than one pixel to mix. */
function mixesPixels({ op, inputs }: Node): boolean {
  if (op !== "Flatten" && op !== "Reshape") return true;
  return numel((inputs[0]?.shape.slice(2) ?? []).map(Number)) !== 1;
}
