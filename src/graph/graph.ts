import { check } from "./check.ts";
import type { Shape } from "./shape.ts";
import type { DType, TensorData } from "./tensor.ts";

/** What is known of a tensor before it has numbers. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/**
 * A tensor in a graph. Compared by identity: the same value may stand in several graphs. Its name tells people where it comes
 * from; only those of inputs and parameters are unique, see `uniqueNames`.
 */
export interface Value extends TensorType {
  readonly name: string;
}

/** ONNX stores whole and real attributes apart, JavaScript does not: real ones are wrapped. */
export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** The value of an attribute, in the types that ONNX has. */
export type Attribute =
  | number
  | readonly number[]
  | Float
  | Float32Array
  | string
  | readonly string[]
  | TensorData
  | Graph;
/** Attributes of a node by name. */
export type Attributes = Readonly<Record<string, Attribute>>;

/** One application of an ONNX operator. */
export interface Node {
  /** ONNX's operator type, such as `"Conv"`. */
  readonly op: string;
  /** `""` for ONNX's own operators. */
  readonly domain: string;
  /** Undefined where an optional input is left out. */
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly attributes: Attributes;
  /** Path of the module that asked for it, such as `"inception3a.branch1"`; `""` outside any. */
  readonly scope: string;
}

/** A node without its outputs, whose types `Graph.add` is given. */
export interface NewNode {
  op: string;
  domain?: string;
  inputs: readonly (Value | undefined)[];
  attributes?: Attributes;
  scope?: string;
}

/**
 * A computation as a list of nodes, each after those that it reads, with ONNX's operators, attributes and meaning.
 *
 * Leaves are of three kinds: `inputs` are fed at every run; `parameters` carry the name of a weight and get their
 * numbers when the graph is compiled, or are fed as well; `constants` hold their numbers.
 */
export class Graph {
  readonly name: string;
  readonly inputs: Value[] = [];
  readonly parameters: Value[] = [];
  readonly constants = new Map<Value, TensorData>();
  readonly nodes: Node[] = [];
  /** Results by name. */
  readonly outputs = new Map<string, Value>();

  /** Of inputs and parameters. */
  readonly #names = new Set<string>();
  readonly #producers = new Map<Value, Node>();

  constructor(name = "graph") {
    this.name = name;
  }

  /** The same graph, to which nodes and outputs can be added without touching this one. Values and nodes are shared. */
  copy(): Graph {
    const copy = new Graph(this.name);
    for (const value of this.inputs) copy.adopt("inputs", value);
    for (const value of this.parameters) copy.adopt("parameters", value);
    for (const [value, data] of this.constants) copy.constants.set(value, data);
    for (const node of this.nodes) copy.append(node);
    for (const [name, value] of this.outputs) copy.outputs.set(name, value);
    return copy;
  }

  input(name: string, dtype: DType, shape: Shape): Value {
    return this.adopt("inputs", { name, dtype, shape });
  }

  parameter(name: string, dtype: DType, shape: Shape): Value {
    return this.adopt("parameters", { name, dtype, shape });
  }

  /** Takes a leaf over, which may be one of another graph. The names of inputs and parameters are theirs alone. */
  adopt(kind: "inputs" | "parameters", value: Value): Value {
    check(!this.#names.has(value.name), () => `Graph: there is an input or parameter "${value.name}" already`);
    this.#names.add(value.name);
    this[kind].push(value);
    return value;
  }

  constant(data: TensorData, name = "constant"): Value {
    const value = { name, dtype: data.dtype, shape: data.shape };
    this.constants.set(value, data);
    return value;
  }

  /** Adds a node whose outputs have these types. */
  add({ op, domain = "", inputs, attributes = {}, scope = "" }: NewNode, types: readonly TensorType[]): Node {
    const name = scope === "" ? op : `${scope}/${op}`;
    const outputs = types.map(({ dtype, shape }) => ({ name, dtype, shape }));
    return this.append({ op, domain, inputs, outputs, attributes, scope });
  }

  /** Adds an existing node, with the values that it has in another graph. */
  append(node: Node): Node {
    for (const value of node.outputs) this.#producers.set(value, node);
    this.nodes.push(node);
    return node;
  }

  output(name: string, value: Value): void {
    check(!this.outputs.has(name), () => `Graph: there is an output "${name}" already`);
    this.outputs.set(name, value);
  }

  /** The node that computes a value; undefined for leaves. */
  producer(value: Value): Node | undefined {
    return this.#producers.get(value);
  }
}

/** A name for each value that no other has: inputs, parameters and outputs keep theirs, others may get a number. */
export function uniqueNames(graph: Graph): Map<Value, string> {
  const names = new Map<Value, string>();
  for (const value of [...graph.inputs, ...graph.parameters]) names.set(value, value.name);
  for (const [name, value] of graph.outputs) if (!names.has(value)) names.set(value, name);
  const taken = new Set([...names.values(), ...graph.outputs.keys()]);
  const counts = new Map<string, number>();
  for (const value of [...graph.constants.keys(), ...graph.nodes.flatMap(({ outputs }) => outputs)]) {
    if (names.has(value)) continue;
    let count = counts.get(value.name) ?? 0;
    let name = value.name;
    for (; taken.has(name); name = `${value.name}_${count}`) count++;
    counts.set(value.name, count);
    taken.add(name);
    names.set(value, name);
  }
  return names;
}
