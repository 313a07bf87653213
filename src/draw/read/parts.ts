import { check, type Graph, type Node, type Shape, type Value } from "../../graph/index.ts";
import { Dropout, Layer, type Module, type ModuleCall, StochasticDepth } from "../../nn/index.ts";
import { macsOf, weightsOf } from "./costs.ts";
import { type Face, faceOf, flattens, type Operators } from "./layers.ts";
import { isChannelShuffle } from "./shuffle.ts";

/** One layer: what the operators of one call of a layer's module do, or a single operator between modules. Plain data. */
export interface Unit {
  /** Path of the layer; of an operator outside layers, the path of the module around it and its name. Repeated ones are numbered. */
  readonly id: string;
  readonly path: string;
  readonly reads: readonly Value[];
  readonly gives: readonly Value[];
  /** Shape of its output, with the batch. */
  readonly shape: Shape;
  /** Parameters that it learns, which the statistics of batch normalization are not. */
  readonly weights: readonly Value[];
  /** Multiply-accumulates for one image. */
  readonly macs: number;
  readonly face: Face;
  /** Whether it only flattens maps to vectors. */
  readonly flattens: boolean;
  /** Names of its operators; none if it passes its input on, as Dropout does outside training. */
  readonly ops: readonly string[];
}

/** One call of a module, with its contents in order. */
export interface Part {
  /** Its path; further calls of the same module are numbered. */
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly path: string;
  readonly parts: readonly (Part | Unit)[];
}

/** A graph grouped into layers and modules. Plain data, in which values that are the same object are the same tensor. */
export interface Network {
  readonly root: Part;
  /** Whether it is known which operator belongs to which module. */
  readonly modular: boolean;
  readonly inputs: readonly Value[];
  readonly outputs: ReadonlyMap<string, Value>;
}

/** What can be read: a trace, or just a graph, such as an imported one. */
export interface Source {
  readonly graph: Graph;
  readonly root?: ModuleCall;
  /** Inputs that carry data. Default: all of the graph's. */
  readonly inputs?: readonly { readonly value: Value }[];
}

/** A layer and a part as the graph is read, before their facts are known. */
interface FoundUnit extends Operators {
  readonly path: string;
  readonly gives: readonly Value[];
}
interface FoundPart extends Pick<Part, "name" | "type" | "path"> {
  readonly parts: readonly (FoundPart | FoundUnit)[];
}

export const isUnit = (part: Part | Unit): part is Unit => "face" in part;

/** All layers of a part, in order. */
export function unitsOf({ parts }: Part): Unit[] {
  return parts.flatMap((part) => (isUnit(part) ? [part] : unitsOf(part)));
}

/** Operators with weights that make a layer of their own. */
const WEIGHTED = new Set(["Conv", "ConvTranspose", "Gemm", "MatMul"]);

/**
 * Groups a graph into layers and modules: by the calls that a trace recorded, else by the scopes of the nodes. Operators that
 * no output depends on, and those that compute weights or shapes instead of passing data on, are left out.
 */
export function networkOf({ graph, root, inputs }: Source): Network {
  const sources = inputs?.map(({ value }) => value) ?? graph.inputs;
  const carriers = carriersOf(graph, sources);
  const reader = new Reader(graph, carriers);
  const found = root ? reader.call(root) : reader.scopes(graph.name);
  const read = new Set(foundUnits(found).flatMap(({ reads }) => reads));
  const used = sources.filter((value) => read.has(value));
  const batch = Number(used[0]?.shape[0]) || 1;
  const parameters = new Set(graph.parameters);
  const part = identified(found, ({ path, nodes, module, reads, gives }) => ({
    ...{ path, reads, gives, shape: (gives[0] ?? nodes[0]?.outputs[0])?.shape ?? [] },
    weights: weightsOf(
      graph,
      nodes,
      (value) => parameters.has(value),
      (value) => carriers.has(value),
    ),
    macs: nodes.reduce((total, node) => total + macsOf(node), 0) / batch,
    face: faceOf({ nodes, module, reads }),
    flattens: flattens(nodes),
    ops: nodes.map(({ op }) => op),
  }));
  return {
    root: part,
    modular: root !== undefined || graph.nodes.some(({ scope }) => scope !== ""),
    inputs: used,
    outputs: new Map([...graph.outputs].map(([name, value]) => [name, reader.now(value)])),
  };
}

const isFound = (part: FoundPart | FoundUnit): part is FoundUnit => "nodes" in part;
const foundUnits = ({ parts }: FoundPart): FoundUnit[] =>
  parts.flatMap((part) => (isFound(part) ? [part] : foundUnits(part)));

/** The same parts with ids, and with the facts of their layers. */
function identified(root: FoundPart, factsOf: (found: FoundUnit) => Omit<Unit, "id">): Part {
  const counts = new Map<string, number>();
  const next = (name: string): string => {
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return count === 1 ? name : `${name}~${count}`;
  };
  const part = ({ name, type, path, parts }: FoundPart): Part => {
    const id = next(path);
    return { id, name, type, path, parts: parts.map((child) => (isFound(child) ? unit(child, id) : part(child))) };
  };
  const unit = (given: FoundUnit, around: string): Unit => {
    const { module, path, nodes } = given;
    // the operators of a layer that is called once more stand below the part of this call
    const id = !module ? next(`${around}/${nodes[0]?.op ?? ""}`) : path === around ? around : next(path);
    return { id, ...factsOf(given) };
  };
  return part(root);
}

class Reader {
  readonly #graph: Graph;
  /** Position in the graph of each node that is drawn. */
  readonly #positions: ReadonlyMap<Node, number>;
  readonly #carriers: ReadonlySet<Value>;
  readonly #readers = new Map<Value, Node[]>();
  readonly #results: ReadonlySet<Value>;
  /** Nodes still to be drawn, by scope. */
  readonly #waiting = new Map<string, Node[]>();
  /** Outputs of layers without operators, by their inputs. */
  readonly #renamed = new Map<Value, Value>();

  constructor(graph: Graph, carriers: ReadonlySet<Value>) {
    this.#graph = graph;
    this.#results = new Set(graph.outputs.values());
    this.#carriers = carriers;
    this.#positions = this.#drawn();
    for (const node of this.#positions.keys()) {
      this.#waiting.set(node.scope, [...(this.#waiting.get(node.scope) ?? []), node]);
      for (const value of new Set(node.inputs)) {
        if (value) this.#readers.set(value, [...(this.#readers.get(value) ?? []), node]);
      }
    }
    check(
      this.#positions.size > 0,
      () => `draw: no operator of "${graph.name}" lies on a way from an input to an output`,
    );
  }

  /** The value that this one was replaced by. */
  now(value: Value): Value {
    return this.#renamed.get(value) ?? value;
  }

  call({ module, name, path, inputs, outputs, calls }: ModuleCall): FoundPart {
    const parts: (FoundPart | FoundUnit)[] = [];
    for (const child of calls) {
      parts.push(...this.#units(this.#take(path, this.#last(child.inputs))));
      parts.push(child.calls.length === 0 ? this.#leaf(child) : this.call(child));
    }
    parts.push(...this.#units(this.#take(path, this.#last(outputs))));
    // a layer that only passes its input on is left out, except Dropout, which does so only outside training
    const drops = module instanceof Dropout && !(module instanceof StochasticDepth) && module.p > 0;
    if (parts.length === 0 && drops) parts.push(this.#handOn(module, path, inputs));
    return { name, type: module.type, path, parts };
  }

  /** A module without child modules is one layer, unless it is a user's own and does the work of several. */
  #leaf(call: ModuleCall): FoundPart | FoundUnit {
    const part = this.call(call);
    const nodes = (part.parts as readonly FoundUnit[]).flatMap(({ nodes }) => nodes);
    const weighted = nodes.filter(({ op }) => WEIGHTED.has(op)).length;
    if (nodes.length === 0 || (weighted > 1 && !(call.module instanceof Layer))) return part;
    return this.#unit(nodes, call.module);
  }

  /** Parts by the scopes of the nodes, for graphs without a trace. */
  scopes(name: string): FoundPart {
    return { name, type: name, path: "", parts: this.#byScope([...this.#positions.keys()], []) };
  }

  #byScope(nodes: readonly Node[], path: readonly string[]): (FoundPart | FoundUnit)[] {
    const segment = ({ scope }: Node) => (scope === "" ? undefined : scope.split(".")[path.length]);
    const runs: { name: string | undefined; nodes: Node[] }[] = [];
    for (const node of nodes) {
      const name = segment(node);
      const run = runs.at(-1);
      if (name !== undefined && run?.name === name) run.nodes.push(node);
      else runs.push({ name, nodes: [node] });
    }
    return runs.map(({ name, nodes }) => {
      if (name === undefined) return this.#unit(nodes);
      const inner = [...path, name];
      const whole = inner.join(".");
      const alone = nodes.every(({ scope }) => scope === whole);
      if (alone && nodes.filter(({ op }) => WEIGHTED.has(op)).length <= 1 && this.#isChain(nodes))
        return this.#unit(nodes);
      return { name, type: "", path: whole, parts: this.#byScope(nodes, inner) };
    });
  }

  #isChain(nodes: readonly Node[]): boolean {
    return nodes.every((node, i) => i === 0 || node.inputs.some((value) => nodes[i - 1]!.outputs.includes(value!)));
  }

  /** Takes the nodes of a scope up to a position. */
  #take(scope: string, until: number): Node[] {
    const waiting = this.#waiting.get(scope) ?? [];
    const count = waiting.findIndex((node) => this.#positions.get(node)! > until);
    return waiting.splice(0, count < 0 ? waiting.length : count);
  }

  /** Position of the last node that computes one of these values. */
  #last(values: readonly Value[]): number {
    return Math.max(-1, ...values.map((value) => this.#positions.get(this.#graph.producer(value)!) ?? -1));
  }

  /** A unit for each operator, and for each three that shuffle channels. */
  #units(nodes: readonly Node[]): FoundUnit[] {
    const units: FoundUnit[] = [];
    for (let i = 0; i < nodes.length; i += units.at(-1)!.nodes.length)
      units.push(this.#unit(nodes.slice(i, isChannelShuffle(nodes.slice(i, i + 3)) ? i + 3 : i + 1)));
    return units;
  }

  #unit(nodes: readonly Node[], module?: Module): FoundUnit {
    const inside = new Set(nodes);
    const made = new Set(nodes.flatMap(({ outputs }) => outputs));
    const reads = nodes
      .flatMap(({ inputs }) => inputs)
      .filter((value) => value !== undefined && this.#carriers.has(value) && !made.has(value));
    const gives = [...made].filter(
      (value) => this.#results.has(value) || this.#readers.get(value)?.some((node) => !inside.has(node)),
    );
    const path = nodes[0]!.scope;
    return {
      nodes,
      module,
      path,
      reads: [...new Set((reads as Value[]).map((value) => this.now(value)))],
      gives,
    };
  }

  #handOn(module: Module, path: string, [x]: readonly Value[]): FoundUnit {
    check(x, () => `draw: ${path} (${module.type}) is called without an input`);
    const y = { ...x };
    const reads = [this.now(x)];
    this.#renamed.set(x, y);
    return { nodes: [], module, path, reads, gives: [y] };
  }

  /** Nodes on a path from an input to an output, with their positions. */
  #drawn(): Map<Node, number> {
    const wanted = new Set(this.#results);
    const drawn: [Node, number][] = [];
    for (let i = this.#graph.nodes.length - 1; i >= 0; i--) {
      const node = this.#graph.nodes[i]!;
      if (!node.outputs.some((value) => wanted.has(value) && this.#carriers.has(value))) continue;
      for (const value of node.inputs) if (value) wanted.add(value);
      drawn.push([node, i]);
    }
    return new Map(drawn.reverse());
  }
}

/** Values that depend on the data itself, not only on its shape. */
function carriersOf(graph: Graph, inputs: readonly Value[]): Set<Value> {
  const carriers = new Set(inputs);
  for (const { op, inputs, outputs } of graph.nodes) {
    if (op === "Shape" || !inputs.some((value) => value && carriers.has(value))) continue;
    for (const value of outputs) carriers.add(value);
  }
  return carriers;
}
