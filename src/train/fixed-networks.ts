import type { TensorData } from "../graph/index.ts";
import { type Module, type Tensor, type Tracer, trace } from "../nn/index.ts";

type Outputs = Readonly<Record<string, Tensor>>;

/** Prefix of the weights of networks that a loss brings along. */
const FIXED = "teacher";

/** Adds other networks to a graph: in evaluation form, on the same images, with weights of their own that stay. */
export class FixedNetworks {
  /** Numbers of the parameters added. */
  readonly weights = new Map<string, TensorData>();
  readonly #outputs = new Map<Module, Outputs>();

  outputs(network: Module, input: Tensor): Outputs {
    const known = this.#outputs.get(network);
    if (known) return known;
    const prefix = this.#outputs.size === 0 ? FIXED : `${FIXED}${this.#outputs.size}`;
    const added = addNetwork(input.tracer, network, input, prefix);
    const state = network.stateDict();
    for (const [name, key] of added.parameters) this.weights.set(name, state.get(key)!);
    this.#outputs.set(network, added.outputs);
    return added.outputs;
  }
}

function addNetwork(tracer: Tracer, network: Module, input: Tensor, prefix: string) {
  const traced = trace(network, input.shape, { training: false, target: tracer.ops.target });
  const { graph } = tracer;
  const moved = new Map([[traced.inputs[0]!.value, input.value]]);
  const parameters = new Map<string, string>();
  for (const value of traced.graph.parameters) {
    const name = `${prefix}:${value.name}`;
    parameters.set(name, value.name);
    moved.set(value, graph.parameter(name, value.dtype, value.shape));
  }
  for (const [value, data] of traced.graph.constants) graph.constants.set(value, data);
  for (const { op, domain, inputs, outputs, attributes, scope } of traced.graph.nodes) {
    const given = inputs.map((value) => value && (moved.get(value) ?? value));
    const node = graph.add({ op, domain, inputs: given, attributes, scope: `${prefix}/${scope}` }, outputs);
    for (const [i, value] of outputs.entries()) moved.set(value, node.outputs[i]!);
  }
  const outputs = Object.entries(traced.outputs).map(([name, { value }]) => [
    name,
    input.wrap(moved.get(value) ?? value),
  ]);
  return { outputs: Object.fromEntries(outputs) as Outputs, parameters };
}
