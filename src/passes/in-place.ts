import { Graph, isStatic, itemSize, type Node, numel, type Value } from "../graph/index.ts";
import { Ops, VIEWS, withoutViews } from "../operators/index.ts";
import { prune } from "./rewrite.ts";

/** Bytes from which saving memory is worth a few more operators. */
const LARGE = 2 ** 18;

/** Operators that engines exchange with those that follow. */
const MOVES = new Set([...VIEWS, "Identity", "Transpose"]);
/** Operators that read an element of each input and write one of the output, one after the other. */
const ELEMENTWISE = new Set(["Add", "Sub", "Mul"]);

/** A graph some of whose outputs may be written over inputs. */
export interface InPlace {
  /** Its outputs may have other shapes than before, with as many elements: engines would copy what is given another shape last. */
  readonly graph: Graph;
  /** The inputs that may be written over, by output. */
  readonly inputs: ReadonlyMap<string, string>;
  /** Outputs that the graph did not have, computed in the memory of an input that nobody needs afterwards: that input, by output. */
  readonly spent: ReadonlyMap<string, string>;
}

/**
 * Makes outputs that replace an input, such as the next weights, safe to be written over it: everything else that reads the input
 * comes first. Engines choose the order of operators by themselves, so that order is made a dependency: a number that the output is
 * computed from passes through an operator that also reads from what has to come first.
 *
 * `replaced` gives the input for an output. Outputs for which it cannot be done, and small ones, are missing in the result. Inputs whose
 * memory nobody needs after the run are in `disposable`.
 */
export function inPlace(
  graph: Graph,
  replaced: ReadonlyMap<string, string>,
  disposable: ReadonlySet<string> = new Set(),
): InPlace {
  const leaves = new Map([...graph.inputs, ...graph.parameters].map((value) => [value.name, value]));
  const readers = new Readers(graph);
  const waits = new Map<Node, { readonly single: number; readonly for: Set<Value> }>();
  const copied = new Map<Value, Value>();
  const inputs = new Map<string, string>();
  const spent = new Map<string, { readonly input: string; readonly sum: Value }>();
  for (const [output, input] of replaced) {
    const [from, to] = [leaves.get(input), graph.outputs.get(output)];
    const last = to && graph.producer(withoutViews(graph, to));
    if (!from || !last || !isLarge(from) || !isStatic(to.shape) || numel(from.shape as number[]) !== numel(to.shape))
      continue;
    const isSum = isScaledSum(last);
    const others = readers.of(from);
    if (!others || (!isSum && !ELEMENTWISE.has(last.op))) continue;
    const isCopied = isSum && withoutViews(graph, last.inputs[0]!) === from;
    const first = ancestors(graph, last);
    const late = [...others].filter((node) => node !== last && !first.has(node));
    if (late.length > 0) {
      const gate = isCopied ? undefined : gateOf(graph, last);
      const values = late.map(({ outputs }) => outputs[0]!);
      if (!gate || !values.every(({ dtype, shape }) => dtype === "float32" && isStatic(shape))) continue;
      const known = waits.get(gate.node) ?? { single: gate.single, for: new Set() };
      for (const value of values) known.for.add(value);
      waits.set(gate.node, known);
    }
    if (isCopied) {
      const [sum] = last.outputs as readonly [Value];
      copied.set(sum, sum);
      const { added, sums = [] } = sumsFrom(graph, readers, last) ?? {};
      if (added && disposable.has(added.name) && leaves.get(added.name) === added)
        for (const [i, one] of sums.entries()) spent.set(`spent:${i}:${added.name}`, { input: added.name, sum: one });
    }
    inputs.set(output, input);
  }
  const ordered = inOrder(graph, { waits, copied });
  if (!ordered) return { graph, inputs: new Map(), spent: new Map() };
  for (const [name, value] of graph.outputs) {
    const flat = withoutViews(graph, value);
    if (isStatic(flat.shape)) ordered.outputs.set(name, (inputs.has(name) && copied.get(flat)) || flat);
  }
  for (const [name, { sum }] of spent) ordered.outputs.set(name, sum);
  return { graph: prune(ordered), inputs, spent: new Map([...spent].map(([name, { input }]) => [name, input])) };
}

const isLarge = ({ dtype, shape }: Value) =>
  dtype === "float32" && isStatic(shape) && numel(shape) * itemSize(dtype) >= LARGE;

/** Whether a node adds to its last input, which it first copies to where its output will be unless it is there. */
const isScaledSum = ({ op, inputs }: Node) => op === "FusedConv" && inputs.length === 4;

/** What a sum starts from, and the sums from there to it, of which each is read by the next one only: all can be computed in one memory. */
function sumsFrom(graph: Graph, readers: Readers, last: Node): { added: Value; sums: Value[] } | undefined {
  const sums: Value[] = [];
  for (let node: Node | undefined = last; node && isScaledSum(node); ) {
    sums.push(node.outputs[0]!);
    const added = withoutViews(graph, node.inputs[3]!);
    const isAlso = withoutViews(graph, node.inputs[0]!) === added;
    if (isAlso || readers.of(added)?.size !== 1) return undefined;
    node = graph.producer(added);
    if (!node) return { added, sums };
  }
  return undefined;
}

/** Who reads a value, directly or by way of operators that move numbers. */
class Readers {
  readonly #nodes = new Map<Value, Node[]>();
  readonly #outputs: ReadonlySet<Value>;

  constructor(graph: Graph) {
    this.#outputs = new Set(graph.outputs.values());
    for (const node of graph.nodes)
      for (const value of new Set(node.inputs))
        if (value) this.#nodes.set(value, [...(this.#nodes.get(value) ?? []), node]);
  }

  /** Undefined if the graph returns the value. */
  of(value: Value): Set<Node> | undefined {
    if (this.#outputs.has(value)) return undefined;
    const found = new Set<Node>();
    for (const node of this.#nodes.get(value) ?? []) {
      const behind = MOVES.has(node.op) && node.domain === "" ? this.of(node.outputs[0]!) : [node];
      if (!behind) return undefined;
      for (const reader of behind) found.add(reader);
    }
    return found;
  }
}

/** The nodes that a node depends on. */
function ancestors(graph: Graph, node: Node): Set<Node> {
  const found = new Set<Node>();
  const open = [node];
  for (let next = open.pop(); next; next = open.pop()) {
    for (const value of next.inputs) {
      const producer = value && graph.producer(value);
      if (!producer || found.has(producer)) continue;
      found.add(producer);
      open.push(producer);
    }
  }
  return found;
}

/** An input that is a single number, of a node or of one just before it. */
function gateOf(graph: Graph, node: Node): { readonly node: Node; readonly single: number } | undefined {
  const isSingle = (value: Value | undefined) => value && isStatic(value.shape) && numel(value.shape) === 1;
  const before = node.inputs.flatMap((value) => (value && graph.producer(value)) ?? []);
  for (const candidate of [node, ...before.filter(({ op }) => op === "Mul")]) {
    const single = candidate.inputs.findIndex(isSingle);
    if (single >= 0) return { node: candidate, single };
  }
  return undefined;
}

/** What becomes of a graph's nodes. */
interface Changes {
  /** Nodes that wait for values. */
  readonly waits: ReadonlyMap<Node, { readonly single: number; readonly for: ReadonlySet<Value> }>;
  /** Values that are copied as soon as they are computed, to their copies. */
  readonly copied: Map<Value, Value>;
}

/** The graph with these changes; undefined if nodes would wait for themselves. */
function inOrder(graph: Graph, { waits, copied }: Changes): Graph | undefined {
  const result = new Graph(graph.name);
  const g = new Ops(result);
  for (const value of graph.inputs) result.adopt("inputs", value);
  for (const value of graph.parameters) result.adopt("parameters", value);
  for (const [value, data] of graph.constants) result.constants.set(value, data);
  const states = new Map<Node, "open" | "done">();
  const add = (node: Node | undefined): boolean => {
    if (!node || states.get(node) === "done") return true;
    if (states.get(node) === "open") return false;
    states.set(node, "open");
    const wait = waits.get(node);
    for (const value of [...node.inputs, ...(wait?.for ?? [])]) if (value && !add(graph.producer(value))) return false;
    result.append(wait ? { ...node, inputs: gated(g, node, wait.single, wait.for) } : node);
    states.set(node, "done");
    const [value] = node.outputs as [Value];
    if (copied.has(value)) copied.set(value, g.one("Concat", [value], { axis: 0 }));
    return true;
  };
  for (const node of graph.nodes) if (!add(node)) return undefined;
  for (const [name, value] of graph.outputs) result.outputs.set(name, value);
  return result;
}

/** A node's inputs, of which a single number is known only when the values are. */
function gated(g: Ops, { inputs, scope }: Node, single: number, values: ReadonlySet<Value>): Node["inputs"] {
  g.scope = scope;
  const number = inputs[single]!;
  const one = (value: Value) => g.slice(g.reshape(value, [numel(value.shape as number[])]), [[0, 0, 1]]);
  const all = g.concat([g.reshape(number, [1]), ...[...values].map(one)], 0);
  const same = g.reshape(g.one("Gather", [all, g.ints([0])]), number.shape);
  return inputs.map((value, i) => (i === single ? same : value));
}
