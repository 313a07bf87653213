import { attribute, type Graph, isStatic, itemSize, type Node, numel, type Value } from "../graph/index.ts";

/** A graph that computes every image of a batch by itself. */
export interface ImagesApart {
  /** The name of the batch's size, which is the first axis of all inputs and outputs. */
  readonly batch: string;
  /** Bytes of the tensors of one image that are needed at the same time, at most. Inputs of the graph do not count. */
  readonly bytes: number;
}

/**
 * Whether a graph computes every image of a batch by itself, so that the batch may be divided. Undefined if it does not, if it has an
 * operator that is not known to keep images apart, or if sizes other than the batch's are named.
 */
export function imagesApart(graph: Graph): ImagesApart | undefined {
  const batch = graph.inputs[0]?.shape[0];
  if (typeof batch !== "string" || batch.includes("*")) return undefined;
  const isBatch = ({ shape }: Value) => shape[0] === batch && isStatic(shape.slice(1));
  if (!graph.inputs.every(isBatch)) return undefined;
  const batches = new Set(graph.inputs);
  for (const node of graph.nodes) {
    if (!node.inputs.some((value) => value && batches.has(value))) continue;
    if (!isApart(graph, node, batches) || !node.outputs.every(isBatch)) return undefined;
    for (const value of node.outputs) batches.add(value);
  }
  if (![...graph.outputs.values()].every((value) => batches.has(value))) return undefined;
  return { batch, bytes: peak(graph, batches) };
}

/**
 * Operators that compute each image of their first input by itself as long as the batch is still the first axis of their output. If they reduce, move
 * or split the batch, it is not.
 */
const OF_FIRST = new Set([
  ...["Conv", "ConvTranspose", "InstanceNormalization", "LRN", "Resize"],
  ...["MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool", "Slice", "Split", "Gather"],
  ...["Relu", "LeakyRelu", "Elu", "Selu", "Celu", "Sigmoid", "HardSigmoid", "HardSwish", "Clip", "Softplus"],
  ...["Softsign", "Tanh", "Erf", "Exp", "Log", "Sqrt", "Abs", "Neg", "Reciprocal", "Sign", "Cast", "Identity"],
  ...["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ArgMax"],
  ...["Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "DepthToSpace", "SpaceToDepth"],
]);
/** Operators on the elements that stand in the same place of all inputs. */
const ELEMENTWISE = new Set(["Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Sum", "PRelu"]);

function isApart(graph: Graph, node: Node, batches: ReadonlySet<Value>): boolean {
  const { op, domain } = node;
  const [x, ...others] = node.inputs.filter((value) => value !== undefined) as [Value, ...Value[]];
  const rank = node.outputs[0]!.shape.length;
  const isFirst = (axis: number) => axis === 0 || axis === -x.shape.length;
  const isSame = (value: Value) => !batches.has(value);
  const isBroadcast = ({ shape }: Value) => shape.length < rank || shape[0] === 1;
  if (domain !== "") return false;
  if (ELEMENTWISE.has(op))
    return [x, ...others].every((value) => (isSame(value) ? isBroadcast(value) : value.shape.length === rank));
  if (op === "Concat") return [x, ...others].every((value) => batches.has(value));
  if (isSame(x) || !others.every(isSame)) return false;
  switch (op) {
    case "MatMul":
      return others[0]!.shape.length <= 2;
    case "Gemm":
      return others.length < 2 || isBroadcast(others[1]!);
    case "BatchNormalization":
      return attribute.int(node, "training_mode", 0) === 0;
    case "Dropout":
      return !node.inputs[2];
    case "Softmax":
    case "LogSoftmax":
    case "LayerNormalization":
      return !isFirst(attribute.int(node, "axis", -1));
    case "Pad": {
      const pads = graph.constants.get(others[0]!)?.data;
      return [0, rank].every((axis) => Number(pads?.[axis]) === 0);
    }
    default:
      return OF_FIRST.has(op);
  }
}

/** Bytes of one image that are needed at the same time, at most. */
function peak({ nodes, inputs, outputs }: Graph, batches: ReadonlySet<Value>): number {
  const kept = new Set([...inputs, ...outputs.values()]);
  const last = new Map(nodes.flatMap((node) => node.inputs.map((value) => [value, node] as const)));
  const bytes = ({ dtype, shape }: Value) => numel(shape.slice(1) as number[]) * itemSize(dtype);
  let now = 0;
  let most = 0;
  for (const node of nodes) {
    for (const value of node.outputs) if (batches.has(value)) now += bytes(value);
    most = Math.max(most, now);
    for (const value of new Set(node.inputs))
      if (value && batches.has(value) && !kept.has(value) && last.get(value) === node) now -= bytes(value);
  }
  return most;
}
