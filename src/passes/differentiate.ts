import { check, formatShape, type Graph, type Node, type Value } from "../graph/index.ts";
import { Backward, type Gradient, gradientOf, isQuantized, knownIn, Ops, type Target } from "../operators/index.ts";

/** A graph with its gradients. */
export interface Differentiated {
  /** A copy of the graph with the nodes of the backward pass added. */
  readonly graph: Graph;
  /** Gradient for each value asked for; zeros where the loss does not depend on it. */
  readonly gradients: Map<Value, Value>;
}

/** Options of `differentiate`. */
export interface DifferentiateOptions {
  /** Kind of engine that formulas are written for. Default `"cpu"`. */
  readonly target?: Target;
  /** Gradient rules of single nodes, in place of those of their operators. */
  readonly rules?: ReadonlyMap<Node, Gradient>;
  /** Values that count as constants: no gradient passes them. */
  readonly constants?: ReadonlySet<Value>;
}

/**
 * Reverse-mode differentiation, graph in, graph out: the gradient of a scalar with respect to values of the graph.
 *
 *     const { graph: backward, gradients } = differentiate(graph, loss, [x]);
 *     backward.output("dx", gradients.get(x)!);
 *
 * Throws if the loss is not a float32 scalar, or if an operator without a gradient lies between it and one of the values.
 */
export function differentiate(
  graph: Graph,
  loss: Value,
  wrt: readonly Value[],
  { target = "cpu", rules, constants = new Set() }: DifferentiateOptions = {},
): Differentiated {
  check(
    loss.shape.every((dim) => dim === 1) && loss.dtype === "float32",
    () => `differentiate: the loss has to be one float32 number, but is ${loss.dtype}${formatShape(loss.shape)}`,
  );
  const result = graph.copy();
  const g = new Ops(result, { target, share: true });
  const active = reachable(graph, wrt, constants);
  const partials = new Map<Value, Value[]>();
  partials.set(loss, [g.expand(g.scalar(1), loss)]);

  const totalOf = (value: Value): Value | undefined => {
    const parts = partials.get(value);
    if (!parts) return undefined;
    const total = g.sum(parts);
    partials.set(value, [total]);
    return total;
  };

  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((value) => active.has(value) && partials.has(value))) continue;
    const needs = (i: number) => node.inputs[i] !== undefined && active.has(node.inputs[i]);
    g.scope = node.scope === "" ? "backward" : `backward/${node.scope}`;
    const gradient = rules?.get(node) ?? gradientOf(node.op, node.domain);
    check(gradient, () => missing(graph, node, wrt));
    const gradients = gradient(
      g,
      new Backward(node, knownIn(result, node.inputs), { dys: node.outputs.map(totalOf), needs }),
    );
    node.inputs.forEach((value, i) => {
      if (!value || !needs(i)) return;
      const given = gradients[i];
      const part = typeof given === "function" ? given() : given;
      if (!part) return;
      partials.set(value, [...(partials.get(value) ?? []), part]);
    });
  }
  g.scope = "backward";
  const gradients = new Map(wrt.map((value) => [value, totalOf(value) ?? g.expand(g.scalar(0), value)]));
  return { graph: result, gradients };
}

/** The values that depend on one of these, themselves included, but not by way of constants. Whole numbers carry no gradient. */
function reachable(graph: Graph, from: readonly Value[], constants: ReadonlySet<Value> = new Set()): Set<Value> {
  const reached = new Set(from);
  for (const node of graph.nodes) {
    if (!node.inputs.some((value) => value && reached.has(value))) continue;
    for (const value of node.outputs) if (value.dtype.startsWith("float") && !constants.has(value)) reached.add(value);
  }
  return reached;
}

function missing(graph: Graph, node: Node, wrt: readonly Value[]): string {
  const blocked = wrt.filter((value) => {
    const reached = reachable(graph, [value]);
    return node.inputs.some((input) => input && reached.has(input));
  });
  const at = node.outputs[0]?.name ?? node.op;
  const names = blocked.slice(0, 3).map(({ name }) => name);
  const more = blocked.length > 3 ? ` and ${blocked.length - 3} more` : "";
  const remedy = isQuantized(node.op, node.domain)
    ? "the network is quantized; train it in real numbers (convnets export FILE --dequantize -o real.onnx)"
    : "freeze those parameters or replace the operator";
  return `differentiate: ${node.op} (node ${at}) has no gradient, but lies between the loss and ${names.join(", ")}${more}; ${remedy}`;
}
