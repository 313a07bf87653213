/** Rewrites a training step to the native operators. */
import { attribute, Float, type Graph, type Node, sameShape, type Value } from "../../src/graph/index.ts";
import type { Ops } from "../../src/operators/index.ts";
import { rewrite } from "../../src/passes/index.ts";
import { DOMAIN, floats, followsBatch, isPoolable, native, poolAttributes } from "./gradients.ts";

const isNative = (node: Node | undefined, op: string): node is Node => node?.domain === DOMAIN && node.op === op;

/** Who reads what, and which activations normalization does by itself. */
class Plan {
  readonly #readers = new Map<Value, Node[]>();
  readonly #outputs: ReadonlySet<Value>;
  readonly #graph: Graph;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.#outputs = new Set(graph.outputs.values());
    for (const node of graph.nodes)
      for (const value of new Set(node.inputs))
        if (value) this.#readers.set(value, [...(this.#readers.get(value) ?? []), node]);
  }

  readers(value: Value): readonly Node[] {
    return this.#readers.get(value) ?? [];
  }

  isPooledBack(y: Value): boolean {
    return this.readers(y).some((node) => isNative(node, "MaxPoolGradient") && node.inputs[0] === y);
  }

  /** The ReLU that is all that reads the output of a batch normalization, besides the normalization's own gradient. */
  reluOf(norm: Node): Node | undefined {
    const y = norm.outputs[0]!;
    const others = this.readers(y).filter((node) => !isNative(node, "BatchNormGradient") || node.inputs[3] !== y);
    const gradients = this.readers(y).filter((node) => !others.includes(node));
    const [relu] = others;
    if (others.length !== 1 || relu?.op !== "Relu" || this.#outputs.has(y)) return undefined;
    const masked = gradients.every((node) => {
      const mask = this.#graph.producer(node.inputs[4]!);
      return isNative(mask, "ReluGradient") && mask.inputs[0] === relu.outputs[0] && this.isAlone(mask.outputs[0]!);
    });
    return masked ? relu : undefined;
  }

  isAlone(value: Value): boolean {
    return this.readers(value).length === 1 && !this.#outputs.has(value);
  }

  /** What a sum over images is of, if pixels were summed before: x of ReduceSum(ReduceSum(x, [2, 3]), [0]). */
  summedPerChannel(node: Node): Value | undefined {
    if (!this.#isSum(node, [0])) return undefined;
    const inner = this.#graph.producer(node.inputs[0]!);
    return inner && this.#isSum(inner, [2, 3]) ? inner.inputs[0] : undefined;
  }

  #isSum(node: Node, axes: readonly number[]): boolean {
    if (node.op !== "ReduceSum" || attribute.int(node, "keepdims", 1) !== 0) return false;
    const given = node.inputs[1] && this.#graph.constants.get(node.inputs[1]);
    return given !== undefined && String(Array.from(given.data, Number)) === String(axes);
  }
}

/** The step with native pooling, batch normalization, gradients of ReLU, sums per channel, and one update of everything. */
export function nativeForm(step: Graph): Graph {
  const plan = new Plan(step);
  const winners = new Map<Value, Value>();
  const saved = new Map<Value, { statistics: readonly Value[]; relu: boolean }>();
  const fused = new Set<Node>();
  const sums = new Map<Value, Value>();

  const norm = (g: Ops, node: Node, inputs: Node["inputs"]) => {
    const relu = plan.reluOf(node);
    if (relu) fused.add(relu);
    const [x, scale] = [node.inputs[0]!, node.inputs[1]!];
    const attributes = {
      epsilon: new Float(attribute.float(node, "epsilon", 1e-5)),
      momentum: new Float(attribute.float(node, "momentum", 0.9)),
      relu: relu ? 1 : 0,
    };
    const types = [floats(x.shape), ...Array(4).fill(floats(scale.shape))];
    const outputs = native(g, "BatchNorm", inputs, types, attributes);
    saved.set(node.outputs[0]!, { statistics: outputs.slice(3), relu: relu !== undefined });
    return outputs;
  };

  const normGradient = (g: Ops, node: Node, inputs: Node["inputs"]) => {
    const { statistics, relu } = saved.get(node.inputs[3]!)!;
    const [x, scale, bias, , dy] = inputs;
    return native(g, "BatchNormGradient", [x, scale, bias, ...statistics, dy], node.outputs, { relu: relu ? 1 : 0 });
  };

  const reluGradient = (g: Ops, node: Node, inputs: Node["inputs"]) => {
    const producer = step.producer(node.inputs[0]!);
    if (producer && fused.has(producer)) return [inputs[1]!];
    const dx = node.outputs[0]!;
    const isSummed = plan
      .readers(dx)
      .some((inner) => plan.readers(inner.outputs[0]!).some((n) => plan.summedPerChannel(n) === dx));
    if (!isSummed) return undefined;
    const outputs = native(g, "ReluGradientSums", inputs, [floats(dx.shape), floats([dx.shape[1]!])]);
    sums.set(dx, outputs[1]!);
    return outputs;
  };

  const rewritten = rewrite(step, (g, node, inputs) => {
    const [x, y] = [node.inputs[0]!, node.outputs[0]!];
    if (node.domain === DOMAIN) {
      if (node.op === "MaxPoolGradient")
        return native(g, node.op, [winners.get(x)!, inputs[1]], node.outputs, node.attributes);
      if (node.op === "BatchNormGradient") return normGradient(g, node, inputs);
      return node.op === "ReluGradient" ? reluGradient(g, node, inputs) : undefined;
    }
    if (node.op === "MaxPool" && isPoolable(node, x) && plan.isPooledBack(y)) {
      const types = [floats(y.shape), { dtype: "uint8", shape: y.shape } as const];
      const outputs = native(g, "MaxPool", [inputs[0]], types, poolAttributes(node, x, y));
      winners.set(y, outputs[1]!);
      return [outputs[0]!];
    }
    if (followsBatch(node)) return norm(g, node, inputs);
    if (fused.has(node)) return [inputs[0]!];
    const summed = plan.summedPerChannel(node);
    if (!summed) return undefined;
    return [sums.get(summed) ?? native(g, "ChannelSums", [innermost(g, inputs)], [floats(y.shape)])[0]!];
  });
  return oneUpdate(rewritten);
}

/** The input of the inner of two sums, in the new graph. */
const innermost = (g: Ops, inputs: Node["inputs"]) => g.graph.producer(inputs[0]!)!.inputs[0]!;

/**
 * All updates as one node, which runs when every gradient is there: the weights are no longer read then, so that it can write into
 * them. It reads and writes the state itself rather than reshaped copies.
 */
function oneUpdate(graph: Graph): Graph {
  const updates = graph.nodes.filter((node) => isNative(node, "Sgd"));
  const result = graph.copy();
  const unshaped = (value: Value): Value => {
    const producer = graph.producer(value);
    return producer?.op === "Reshape" ? unshaped(producer.inputs[0]!) : value;
  };
  const lr = updates[0]!.inputs[0];
  const same = updates.every(({ inputs }) => inputs[0] === lr);
  if (!same) throw new Error("native operators: one learning rate for all parameters");
  const leaves = updates.map(({ inputs: [, p, dp, v] }) => [unshaped(p!), unshaped(dp!), unshaped(v!)] as const);
  const [update] = [
    result.add(
      {
        op: "Sgd",
        domain: DOMAIN,
        inputs: [lr, ...leaves.flat()],
        attributes: {
          momentum: updates[0]!.attributes.momentum!,
          decays: Float32Array.from(updates, ({ attributes }) => (attributes.decay as Float).value),
        },
        scope: "update",
      },
      leaves.flatMap(([p, , v]) => [floats(p.shape), floats(v.shape)]),
    ),
  ];
  const joined = new Map(
    updates.flatMap(({ outputs }, i) => outputs.map((value, k) => [value, update.outputs[2 * i + k]!])),
  );
  for (const [name, value] of graph.outputs) {
    const next = joined.get(unshaped(value));
    if (next && sameShape(next.shape, value.shape)) result.outputs.set(name, next);
  }
  return rewrite(result, () => undefined);
}
