import { type Graph, itemSize, type Node, numel, type Value } from "../graph/index.ts";
import type { TrainingOptions } from "./options.ts";
import { next, type TrainingGraphs } from "./training-graph.ts";

/** Bytes of a state that is worth a second session: the update writes over it then, in place of filling a second set of buffers. */
const LARGE = 2 ** 28;

/** Operators that read an element before they write the one in its place. */
const ELEMENTWISE = new Set(["Add", "Sub", "Mul", "Div"]);

/** Whether the update writes over the state: if that is asked for or the state is large, and if the engine and the graph allow it. */
export function updatesInPlace(
  { state, update }: Pick<TrainingGraphs, "state" | "update">,
  { engine, inPlace }: Pick<TrainingOptions, "engine" | "inPlace">,
): boolean {
  const bytes = [...state.values()].reduce((sum, { shape }) => sum + numel(shape) * itemSize("float32"), 0);
  return engine.inPlace === true && (inPlace ?? bytes >= LARGE) && writesLast(update, [...state.keys()]);
}

/** Whether each of these inputs `x` is read only by what `next:x` is computed from, at the last by an operator that may write over it. */
export function writesLast(graph: Graph, names: readonly string[]): boolean {
  const leaves = new Map([...graph.inputs, ...graph.parameters].map((value) => [value.name, value]));
  const readers = new Map<Value, Node[]>();
  for (const node of graph.nodes)
    for (const value of node.inputs) if (value) readers.set(value, [...(readers.get(value) ?? []), node]);
  return names.every((name) => {
    const written = graph.outputs.get(next(name));
    const read = leaves.get(name);
    if (!written || !read) return true;
    const needed = ancestors(graph, written);
    const last = graph.producer(written);
    return (readers.get(read) ?? []).every((node) => needed.has(node) && (node !== last || ELEMENTWISE.has(node.op)));
  });
}

function ancestors(graph: Graph, value: Value): Set<Node> {
  const found = new Set<Node>();
  const open = [graph.producer(value)];
  for (let node = open.pop(); node || open.length > 0; node = open.pop()) {
    if (!node || found.has(node)) continue;
    found.add(node);
    open.push(...node.inputs.map((input) => input && graph.producer(input)));
  }
  return found;
}
