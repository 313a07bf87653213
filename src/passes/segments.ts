import { check, Graph, type Node, type Value } from "../graph/index.ts";

/** Starts the names of outputs that are sent elsewhere. */
export const SENT = "sent:";
/** Starts the names of inputs for what comes back, each with the number of what was sent. */
export const RECEIVED = "received:";

/** Starts the names of outputs and inputs that hand values from one segment to later ones. */
export const KEPT = "kept:";

/** Operators that only look at memory in another way: they are repeated where they are needed. */
const VIEWS = new Set(["Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"]);

/**
 * Cuts a graph into segments that run one after the other; `segmentOf` says in which an output is to be known. A node is in the first
 * segment that needs it. What a later segment needs as well is an output `kept:…` of one and an input of the other.
 */
export function split(graph: Graph, segmentOf: (output: string) => number): Graph[] {
  const needed = new Map<Value, number>();
  const need = (value: Value, segment: number) =>
    needed.set(value, Math.min(segment, needed.get(value) ?? Number.POSITIVE_INFINITY));
  for (const [name, value] of graph.outputs) need(value, segmentOf(name));
  const at = new Map<Node, number>();
  for (const node of graph.nodes.toReversed()) {
    const segment = Math.min(...node.outputs.map((value) => needed.get(value) ?? Number.POSITIVE_INFINITY));
    at.set(node, segment);
    for (const value of node.inputs) if (value) need(value, segment);
  }
  const home = (value: Value) => {
    const producer = graph.producer(value);
    return producer ? at.get(producer)! : 0;
  };
  const count = 1 + Math.max(0, ...[...graph.outputs.values()].map(home));
  const kept = new Map<Value, Value>();
  const segments: Graph[] = [];
  for (let index = count - 1; index >= 0; index--) segments.unshift(segment(graph, { index, count, at, home, kept }));
  return segments;
}

interface Cut {
  readonly index: number;
  readonly count: number;
  readonly at: ReadonlyMap<Node, number>;
  readonly home: (value: Value) => number;
  /** Values that later segments need, and the inputs that they are there. */
  readonly kept: Map<Value, Value>;
}

function segment(graph: Graph, { index, count, at, home, kept }: Cut): Graph {
  const result = new Graph(`${graph.name}, part ${index + 1} of ${count}`);
  const outputs = new Map([...graph.outputs].filter(([, value]) => home(value) === index));
  for (const [value, { name }] of kept) if (home(value) === index) outputs.set(name, value);
  const needed = new Set(outputs.values());
  const nodes: Node[] = [];
  const given = new Map<Value, Value>();
  for (const node of graph.nodes.toReversed()) {
    const wanted = node.outputs.filter((value) => needed.has(value));
    if (wanted.length === 0) continue;
    if (at.get(node) === index || VIEWS.has(node.op)) {
      nodes.unshift(node);
      for (const value of node.inputs) if (value) needed.add(value);
      continue;
    }
    for (const value of wanted) {
      const { dtype, shape } = value;
      const input = kept.get(value) ?? { name: `${KEPT}${kept.size}`, dtype, shape };
      kept.set(value, input);
      given.set(value, result.adopt("inputs", input));
    }
  }
  for (const value of graph.inputs) if (needed.has(value)) result.adopt("inputs", value);
  for (const value of graph.parameters) if (needed.has(value)) result.adopt("parameters", value);
  for (const [value, data] of graph.constants) if (needed.has(value)) result.constants.set(value, data);
  for (const node of nodes)
    result.append({ ...node, inputs: node.inputs.map((value) => value && (given.get(value) ?? value)) });
  for (const [name, value] of outputs) result.outputs.set(name, value);
  return result;
}

/**
 * Cuts a graph whose outputs `sent:…` have to be known before its inputs `received:…` are: one segment, what it sends, the next with
 * what came back, and so on. Exchanges that do not need each other are in the same round.
 */
export function inRounds(graph: Graph): Graph[] {
  const exchanges = [...graph.outputs.keys()]
    .filter((name) => name.startsWith(SENT))
    .map((name) => name.slice(SENT.length));
  const bits = new Map(exchanges.map((index, i) => [`${RECEIVED}${index}`, 1n << BigInt(i)]));
  /** What a value needs to have come back. */
  const needs = new Map<Value, bigint>(graph.inputs.map((value) => [value, bits.get(value.name) ?? 0n]));
  const needsOf = (values: readonly (Value | undefined)[]) =>
    values.reduce((all, value) => all | ((value && needs.get(value)) ?? 0n), 0n);
  for (const node of graph.nodes) {
    const all = needsOf(node.inputs);
    for (const value of node.outputs) needs.set(value, all);
  }
  const rounds = new Map<string, number>();
  const roundOf = (output: string): number => {
    const known = rounds.get(output);
    if (known !== undefined) return known;
    rounds.set(output, Number.NaN);
    const all = needsOf([graph.outputs.get(output)]);
    const before = exchanges.filter((_, i) => all & (1n << BigInt(i))).map((index) => 1 + roundOf(`${SENT}${index}`));
    const round = Math.max(0, ...before);
    check(!Number.isNaN(round), () => `${output} needs what is sent back for it`);
    rounds.set(output, round);
    return round;
  };
  return split(graph, roundOf);
}
