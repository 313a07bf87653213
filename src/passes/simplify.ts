import { Float, type Graph, isStatic, type Node, sameShape, type TensorData, type Value } from "../graph/index.ts";
import { rewrite } from "./rewrite.ts";

/** Operators that hand their first input on unchanged when no training is meant. */
const NOTHING = new Set(["Identity", "Dropout"]);

/**
 * Merges equal computations, drops operators that do nothing, joins reshapes of reshapes, and drops what no output needs.
 *
 * Of two applications that differ only in how many outputs are used (a MaxPool, and the MaxPool whose winners its gradient
 * asks for), the larger stands for both.
 */
export function simplify(graph: Graph): Graph {
  const ids = new Map<Value, number>();
  const id = (value: Value | undefined) => {
    if (!value) return -1;
    const known = ids.get(value) ?? ids.size;
    ids.set(value, known);
    return known;
  };
  const kept = new Map<string, readonly Value[]>();
  const twins = largestTwins(graph);
  const constants = equalConstants(graph);

  return rewrite(graph, (g, node, given) => {
    const inputs = given.map((value) => value && (constants.get(value) ?? value));
    const viewed = node.op === "Reshape" ? g.graph.producer(inputs[0]!) : undefined;
    if (viewed?.op === "Reshape" && isStatic(node.outputs[0]!.shape)) {
      const [original] = viewed.inputs as [Value];
      if (sameShape(original.shape, node.outputs[0]!.shape)) return [original];
      // a size of 0 would be that of the reshaped tensor
      if (graph.constants.get(inputs[1]!)?.data.every((size) => Number(size) !== 0)) inputs[0] = original;
    }
    if (NOTHING.has(node.op) && node.domain === "" && node.outputs.length === 1) return [inputs[0]!];
    const key = `${node.domain}.${node.op}(${inputs.map(id)})${attributesKey(node)}`;
    const known = kept.get(key);
    if (known && known.length >= node.outputs.length) return known;
    const outputs = twins.get(node)?.outputs ?? node.outputs;
    g.graph.append({ ...node, inputs, outputs });
    kept.set(key, outputs);
    return outputs;
  });
}

function attributesKey({ attributes }: Node): string {
  // JSON has neither infinities nor whole numbers of 64 bits
  return JSON.stringify(attributes, (_, value) => {
    if (value instanceof Float) return `float ${value.value}`;
    return ArrayBuffer.isView(value) ? Array.from(value as Float32Array, String) : value;
  });
}

/** For each node, the application of the same operator to the same inputs that has the most outputs. */
function largestTwins(graph: Graph): Map<Node, Node> {
  const byInput = new Map<Value, Node[]>();
  for (const node of graph.nodes) {
    if (node.op !== "MaxPool" || !node.inputs[0]) continue;
    byInput.set(node.inputs[0], [...(byInput.get(node.inputs[0]) ?? []), node]);
  }
  const twins = new Map<Node, Node>();
  for (const nodes of byInput.values()) {
    for (const node of nodes) {
      const same = nodes.filter((other) => attributesKey(other) === attributesKey(node));
      twins.set(
        node,
        same.reduce((a, b) => (b.outputs.length > a.outputs.length ? b : a)),
      );
    }
  }
  return twins;
}

/** Numbers up to which constants of any type are compared. Larger ones are weights, which are rarely equal, or positions (int32), which often are. */
const FEW = 4096;

/** Constants with equal content: each maps to the first of its kind. */
function equalConstants(graph: Graph): Map<Value, Value> {
  const alike = new Map<string, [Value, TensorData][]>();
  const same = new Map<Value, Value>();
  for (const [value, constant] of graph.constants) {
    if (constant.data.length > FEW && constant.dtype !== "int32") continue;
    const key = `${constant.dtype}[${constant.shape}]${constant.data.slice(0, 64)}`;
    const known = alike.get(key) ?? [];
    alike.set(key, known);
    const [first] = known.find(([, other]) => isEqual(constant, other)) ?? [];
    if (first) same.set(value, first);
    else known.push([value, constant]);
  }
  return same;
}

/** Whether tensors of one type and shape have the same content. */
function isEqual({ data: a }: TensorData, { data: b }: TensorData): boolean {
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}
