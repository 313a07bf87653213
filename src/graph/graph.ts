import { check } from "./check.ts";
import type { Shape } from "./shape.ts";
import type { DType, TensorData } from "./tensor.ts";

/** What is known of a tensor before it has numbers. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** A tensor in a graph. Compared by identity: the same value may stand in several graphs. */
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

export type Attribute =
  | number
  | readonly number[]
  | Float
  | Float32Array
  | string
  | readonly string[]
  | TensorData
  | Graph;
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

  readonly #names = new Set<string>();
  readonly #counts = new Map<string, number>();
  readonly #producers = new Map<Value, Node>();

  constructor(name = "graph") {
    this.name = name;
  }

  /** The same graph, to which nodes and outputs can be added without touching this one. Values and nodes are shared. */
  copy(): Graph {
    const copy = new Graph(this.name);
    for (const value of this.inputs) copy.inputs.push(copy.#own(value));
    for (const value of this.parameters) copy.parameters.push(copy.#own(value));
    for (const [value, data] of this.constants) copy.constants.set(copy.#own(value), data);
    for (const node of this.nodes) copy.append(node);
    for (const [name, value] of this.outputs) copy.outputs.set(name, value);
    return copy;
  }

  input(name: string, dtype: DType, shape: Shape): Value {
    const value = this.#own({ name, dtype, shape });
    this.inputs.push(value);
    return value;
  }

  parameter(name: string, dtype: DType, shape: Shape): Value {
    const value = this.#own({ name, dtype, shape });
    this.parameters.push(value);
    return value;
  }

  constant(data: TensorData, name?: string): Value {
    const value = this.#own({ name: name ?? this.freshName("constant"), dtype: data.dtype, shape: data.shape });
    this.constants.set(value, data);
    return value;
  }

  /** Adds a node whose outputs have these types; names are made up. */
  add({ op, domain = "", inputs, attributes = {}, scope = "" }: NewNode, types: readonly TensorType[]): Node {
    const prefix = scope === "" ? op : `${scope}/${op}`;
    const outputs = types.map(({ dtype, shape }) => this.#own({ name: this.freshName(prefix), dtype, shape }));
    return this.#push({ op, domain, inputs, outputs, attributes, scope });
  }

  /** Adds an existing node, with the values that it made elsewhere. */
  append(node: Node): Node {
    for (const value of node.outputs) this.#own(value);
    return this.#push(node);
  }

  /** Takes an existing leaf of another graph over as one of this graph. */
  adopt(kind: "inputs" | "parameters", value: Value): Value {
    this[kind].push(this.#own(value));
    return value;
  }

  adoptConstant(value: Value, data: TensorData): Value {
    this.constants.set(this.#own(value), data);
    return value;
  }

  output(name: string, value: Value): void {
    check(!this.outputs.has(name), () => `Graph: there is an output "${name}" already`);
    this.outputs.set(name, value);
  }

  /** The node that computes a value; undefined for leaves. */
  producer(value: Value): Node | undefined {
    return this.#producers.get(value);
  }

  /** Name not yet taken, from a prefix. */
  freshName(prefix: string): string {
    let count = this.#counts.get(prefix) ?? 0;
    let name = prefix;
    for (; this.#names.has(name); name = `${prefix}_${count}`) count++;
    this.#counts.set(prefix, count);
    return name;
  }

  #push(node: Node): Node {
    for (const value of node.outputs) this.#producers.set(value, node);
    this.nodes.push(node);
    return node;
  }

  #own(value: Value): Value {
    check(!this.#names.has(value.name), () => `Graph: there is a value "${value.name}" already`);
    this.#names.add(value.name);
    return value;
  }
}
