import { attribute, type Graph, type Node, type Value } from "../graph/index.ts";
import { findOperator, isQuantized } from "../operators/index.ts";

/** A weight of the last layer, and its axis along which the classes lie. */
export interface HeadWeight {
  readonly value: Value;
  readonly axis: number;
}

export interface Head {
  readonly classes: number;
  readonly weight: HeadWeight;
  readonly biases: readonly HeadWeight[];
  /** Nodes between the last layer and the output. */
  readonly after: readonly Node[];
}

/** The last layer with weights before an output: what has to change for another number of classes. */
export function findHead(graph: Graph, name: string, output: Value): Head {
  const parameters = new Set(graph.parameters);
  const after: Node[] = [];
  const biases: HeadWeight[] = [];
  const bias = (value: Value | undefined) => {
    if (value && parameters.has(value)) biases.push({ value, axis: value.shape.length - 1 });
  };
  let value: Value | undefined = output;
  for (let node = graph.producer(output); node; node = value && graph.producer(value)) {
    const [a, b, c] = node.inputs;
    const weight = weightOf(graph, node, parameters);
    if (weight) {
      const group = node.op === "Conv" ? attribute.int(node, "group", 1) : 1;
      if (group !== 1) break;
      bias(c);
      return { classes: weight.value.shape[weight.axis] as number, weight, biases, after };
    }
    if (node.op === "Add" && a && b && (parameters.has(a) || parameters.has(b))) {
      bias(parameters.has(a) ? a : b);
      value = parameters.has(a) ? b : a;
    } else if (findOperator(node.op, node.domain)?.keeps) {
      value = a;
    } else break;
    after.push(node);
  }
  const end = value && graph.producer(value);
  const remedy =
    end && isQuantized(end.op, end.domain)
      ? "; the network is quantized; train it in real numbers (convnets export FILE --dequantize -o real.onnx)"
      : "";
  throw new Error(
    `replaceHead: the output "${name}" comes from ${end ? `${end.op} (${end.outputs[0]?.name})` : "no layer"}, not from a last layer of classes (Gemm, MatMul or Conv)${remedy}`,
  );
}

function weightOf(graph: Graph, node: Node, parameters: ReadonlySet<Value>): HeadWeight | undefined {
  const value = node.inputs[1];
  if (!value || !["Gemm", "MatMul", "Conv"].includes(node.op)) return undefined;
  const outFirst = node.op === "Conv" || (node.op === "Gemm" && attribute.int(node, "transB", 0) === 1);
  const axis = outFirst ? 0 : value.shape.length - 1;
  if (parameters.has(value)) return { value, axis };
  const turned = graph.producer(value);
  if (turned?.op !== "Transpose" || !turned.inputs[0] || !parameters.has(turned.inputs[0])) return undefined;
  const order = value.shape.map((_, i) => i).reverse();
  return { value: turned.inputs[0], axis: attribute.ints(turned, "perm", order)[axis]! };
}
