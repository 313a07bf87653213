import { check } from "./check.ts";
import type { Shape } from "./shape.ts";
import type { DType, TensorData } from "./tensor.ts";

/** Element type and shape of a tensor. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/**
 * A tensor in a graph. Values are compared by identity, and one value may be in several graphs. The name says where it comes from;
 * only the names of inputs and parameters are unique (see `uniqueNames`).
 */
export interface Value extends TensorType {
  readonly name: string;
}

/** A real number as attribute. ONNX distinguishes whole and real attributes, JavaScript does not, so real ones are wrapped. */
export class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** Value of an attribute of a node: plain numbers are whole, `Float` and `Float32Array` are real. */
export type Attribute =
  | number
  | readonly number[]
  | Float
  | Float32Array
  | string
  | readonly string[]
  | TensorData
  | Graph;
/** Attributes of a node by ONNX's names. */
export type Attributes = Readonly<Record<string, Attribute>>;

/** One application of an ONNX operator. */
export interface Node {
  /** ONNX's operator type, such as `"Conv"`. */
  readonly op: string;
  /** `""` for ONNX's own operators. */
  readonly domain: string;
  /** Undefined for an optional input that is left out. */
  readonly inputs: readonly (Value | undefined)[];
  readonly outputs: readonly Value[];
  readonly attributes: Attributes;
  /** Path of the module that added it, such as `"inception3a.branch1"`; `""` outside any. */
  readonly scope: string;
}

/** A node to be added to a graph; see `Node`. */
export interface NewNode {
  op: string;
  domain?: string;
  inputs: readonly (Value | undefined)[];
  attributes?: Attributes;
  scope?: string;
}

/**
 * A computation as a list of nodes, each after those that it reads, with ONNX's operators, attributes and semantics.
 *
 * There are three kinds of leaves: `inputs` are fed at every run; `parameters` have the name of a weight and get their numbers
 * when the graph is compiled, or are fed too; `constants` hold their numbers.
 */
export class Graph {
  readonly name: string;
  readonly inputs: Value[] = [];
  readonly parameters: Value[] = [];
  readonly constants = new Map<Value, TensorData>();
  readonly nodes: Node[] = [];
  /** Outputs by name. */
  readonly outputs = new Map<string, Value>();

  /** Names of inputs and parameters. */
  readonly #names = new Set<string>();
  readonly #producers = new Map<Value, Node>();

  constructor(name = "graph") {
    this.name = name;
  }

  /** A copy, to which nodes and outputs can be added without changing this graph. Values and nodes are shared. */
  copy(): Graph {
    const copy = new Graph(this.name);
    for (const value of this.inputs) copy.adopt("inputs", value);
    for (const value of this.parameters) copy.adopt("parameters", value);
    for (const [value, data] of this.constants) copy.constants.set(value, data);
    for (const node of this.nodes) copy.append(node);
    for (const [name, value] of this.outputs) copy.outputs.set(name, value);
    return copy;
  }

  /** Adds an input. Throws when its name is taken. */
  input(name: string, dtype: DType, shape: Shape): Value {
    return this.adopt("inputs", { name, dtype, shape });
  }

  /** Adds a parameter. Throws when its name is taken. */
  parameter(name: string, dtype: DType, shape: Shape): Value {
    return this.adopt("parameters", { name, dtype, shape });
  }

  /** Adds an existing value as input or parameter; it may belong to another graph too. Throws when its name is taken. */
  adopt(kind: "inputs" | "parameters", value: Value): Value {
    check(!this.#names.has(value.name), () => `Graph: there is already an input or parameter "${value.name}"`);
    this.#names.add(value.name);
    this[kind].push(value);
    return value;
  }

  /** Adds a tensor of constants. */
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

  /** Adds an existing node with its values, such as one of another graph. */
  append(node: Node): Node {
    for (const value of node.outputs) this.#producers.set(value, node);
    this.nodes.push(node);
    return node;
  }

  /** Makes a value an output. Throws when the name is taken. */
  output(name: string, value: Value): void {
    check(!this.outputs.has(name), () => `Graph: there is already an output "${name}"`);
    this.outputs.set(name, value);
  }

  /** The node that computes a value; undefined for leaves. */
  producer(value: Value): Node | undefined {
    return this.#producers.get(value);
  }
}

/** A unique name for each value: inputs, parameters and outputs keep theirs, others may get a number. */
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
