/** Gradients and an update by operators of the domain "convnets", in place of the product's own rules. */
import { attribute, Float, type Node, type TensorType, type Value } from "../../src/graph/index.ts";
import { type Gradient, type Ops, windowOf } from "../../src/operators/index.ts";
import { gradientRules } from "../../src/operators/registry.ts";
import { type Optimizer, sgd } from "../../src/optim/index.ts";

export const DOMAIN = "convnets";

/** Adds one of the native operators, whose shapes the product does not know. */
export function native(g: Ops, op: string, inputs: Node["inputs"], types: readonly TensorType[], attributes = {}) {
  return g.graph.add({ op, domain: DOMAIN, inputs, attributes, scope: g.scope }, types).outputs;
}

export const floats = (shape: Value["shape"]): TensorType => ({ dtype: "float32", shape });

/** Whether this is batch normalization by the statistics of the batch. */
export const followsBatch = (node: Pick<Node, "op" | "attributes">): boolean =>
  node.op === "BatchNormalization" && attribute.int(node, "training_mode", 0) === 1;

/** Geometry of a pooling as the native operators take it. */
export function poolAttributes(node: Pick<Node, "op" | "attributes">, x: Value, y: Value) {
  const { kernel, stride, before } = windowOf(node, x.shape);
  return { kernel, strides: stride, pads: before, size: x.shape.slice(2), out: y.shape.slice(2) };
}

/** Whether the native operators know a pooling: no dilation, and windows whose taps have numbers below 255. */
export function isPoolable(node: Pick<Node, "op" | "attributes">, x: Value): boolean {
  if (x.shape.length !== 4) return false;
  const { kernel, dilation } = windowOf(node, x.shape);
  return kernel[0] * kernel[1] < 255 && dilation.every((d) => d === 1);
}

/**
 * Builds a graph with native gradients in place of the product's rules. Their nodes name the output of the forward pass that they
 * belong to as an input; `nativeForm` puts what was saved for them in its place.
 */
export function withNativeGradients<T>(make: () => T): T {
  const rules = gradientRules();
  const { MaxPool, BatchNormalization, Relu } = rules as Record<string, Gradient>;
  const [pool, norm] = [MaxPool!, BatchNormalization!];
  const maxPool: Gradient = (g, node) => {
    if (!isPoolable(node, node.x)) return pool(g, node);
    const attributes = poolAttributes(node, node.x, node.y);
    return [native(g, "MaxPoolGradient", [node.y, node.dy], [floats(node.x.shape)], attributes)[0]];
  };
  const batchNorm: Gradient = (g, node) => {
    if (!followsBatch(node)) return norm(g, node);
    const { x, w: scale, y, dy } = node;
    const types = [floats(x.shape), floats(scale.shape), floats(scale.shape)];
    return native(g, "BatchNormGradient", [x, scale, node.input(2), y, dy], types, { relu: 0 });
  };
  const relu: Gradient = (g, { x, y, dy }) => [native(g, "ReluGradient", [y, dy], [floats(x.shape)])[0]];
  Object.assign(rules, { MaxPool: maxPool, BatchNormalization: batchNorm, Relu: relu });
  try {
    return make();
  } finally {
    Object.assign(rules, { MaxPool, BatchNormalization, Relu });
  }
}

/** SGD with momentum by one node for each parameter; `nativeForm` joins them. */
export function nativeSgd(momentum: number, weightDecay: number): Optimizer {
  return {
    ...sgd({ momentum, weightDecay }),
    update(g, { parameter, gradient, state, scalars, weightDecay: decay }) {
      const attributes = { momentum: new Float(momentum), decay: new Float(decay) };
      const inputs = [scalars.lr!, parameter, gradient, state.momentum_buffer!];
      const [next, velocity] = native(g, "Sgd", inputs, [floats(parameter.shape), floats(parameter.shape)], attributes);
      return { parameter: next!, state: { momentum_buffer: velocity! } };
    },
  };
}
