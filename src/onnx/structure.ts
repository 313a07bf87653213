import type { Graph, Node, Value } from "../graph/index.ts";
import { findOperator, isQuantized } from "../operators/index.ts";

/** Nodes that stand together in a model, in the order in which they run. */
export interface Part {
  /** Name among the parts of the part around it. */
  readonly name: string;
  readonly path: string;
  readonly items: (Node | Part)[];
}

/** Where a weight belongs: the path of its layer, and what the layer calls it. */
export interface Home {
  readonly path: string;
  readonly property: string;
}

export interface Structure {
  readonly root: Part;
  readonly homes: ReadonlyMap<Value, Home>;
}

export const isPart = (item: Node | Part): item is Part => "items" in item;

/** Names that are paths of properties, as PyTorch gives them to weights. */
const PATH = /^[\w-]+(\.[\w-]+)+$/;

/**
 * Finds the modules that a graph was exported from. A layer stands where the names of its weights say ("layer1.0.conv1.weight"),
 * else where the name of its node does, else in the innermost part that the layers before and after it share.
 */
export function structureOf(graph: Graph): Structure {
  const parameters = new Set(graph.parameters);
  const sources = weightSources(graph);
  const real = dependents(graph);
  const root: Part = { name: "", path: "", items: [] };
  const homes = new Map<Value, Home>();
  const open: Part[] = [root];
  const names = new Map<Part, Set<string>>([[root, new Set()]]);

  const enter = (wanted: string): Part => {
    const parent = open.at(-1)!;
    const taken = names.get(parent)!;
    let name = wanted;
    for (let i = 1; taken.has(name); i++) name = `${wanted}_${i}`;
    taken.add(name);
    const part: Part = { name, path: parent === root ? name : `${parent.path}.${name}`, items: [] };
    names.set(part, new Set());
    parent.items.push(part);
    open.push(part);
    return part;
  };

  const isFeature = featureTest(graph);
  const layers = graph.nodes.filter((node) => isLayer(node, real, isFeature));
  const given = new Map(layers.map((node) => [node, pathOf(node, sources)]));
  const around = neighbours(layers, given);
  const opened = new Map<Part, string>([[root, ""]]);
  for (const node of graph.nodes) {
    const path = given.get(node) ?? around.get(node);
    if (path === undefined) {
      open.at(-1)!.items.push(node);
      continue;
    }
    const wanted = path === "" ? [] : path.split(".");
    let depth = 0;
    while (depth < open.length - 1 && opened.get(open[depth + 1]!) === wanted[depth]) depth++;
    open.length = depth + 1;
    for (const name of wanted.slice(depth)) opened.set(enter(name), name);
    // without a path of its own, and where random masks are kept apart by it, a layer is a part of its own
    const alone = !given.has(node) || (node.op === "Dropout" && open.at(-1)!.items.length > 0) || open.length === 1;
    const part = alone ? enter(node.op.toLowerCase()) : open.at(-1)!;
    part.items.push(node);
    if (alone) open.pop();
    for (const [value, role] of weightsOf(node, sources)) {
      if (parameters.has(value) && !homes.has(value)) homes.set(value, homeOf(value, part, role));
    }
  }
  return { root, homes };
}

function homeOf({ name }: Value, { path }: Part, role: string): Home {
  if (!PATH.test(name)) return { path, property: role };
  const end = name.lastIndexOf(".");
  return { path: name.slice(0, end), property: name.slice(end + 1) };
}

/** For each value that is a weight, rearranged or not, the parameter it comes from. */
function weightSources(graph: Graph): Map<Value, Value> {
  const sources = new Map(graph.parameters.map((value) => [value, value]));
  for (const { op, inputs, outputs } of graph.nodes) {
    const source = findOperator(op)?.keeps === "elements" && inputs[0] ? sources.get(inputs[0]) : undefined;
    if (source && outputs[0]) sources.set(outputs[0], source);
  }
  return sources;
}

/** The weights that a node reads, with what each is called in a layer. */
function weightsOf({ op, inputs }: Node, sources: ReadonlyMap<Value, Value>): [Value, string][] {
  return Object.entries(findOperator(op)?.weights ?? {}).flatMap(([i, role]): [Value, string][] => {
    const value = inputs[Number(i)];
    const source = value && sources.get(value);
    return source ? [[source, role]] : [];
  });
}

/** Values that depend on the inputs of the graph. */
export function dependents(graph: Graph): ReadonlySet<Value> {
  const values = new Set(graph.inputs);
  for (const { inputs, outputs } of graph.nodes) {
    if (inputs.some((value) => value && values.has(value))) for (const value of outputs) values.add(value);
  }
  return values;
}

/** Which values are features: real numbers, and integers in a quantized network. */
export function featureTest(graph: Graph): (value: Value) => boolean {
  const quantized = graph.nodes.some(({ op, domain }) => isQuantized(op, domain));
  return ({ dtype }) => dtype.startsWith("float") || (quantized && /^(u?int8|int32)$/.test(dtype));
}

/** Whether a node is worth a line in a summary: it computes with features, and does not only hand them on. */
function isLayer(
  { op, inputs, outputs: [y] }: Node,
  real: ReadonlySet<Value>,
  isFeature: (value: Value) => boolean,
): boolean {
  const counts = (value: Value | undefined) => value !== undefined && real.has(value) && isFeature(value);
  return counts(y) && inputs.some(counts) && op !== "Identity" && op !== "Cast";
}

function pathOf(node: Node, sources: ReadonlyMap<Value, Value>): string | undefined {
  const weight = weightsOf(node, sources).find(([{ name }]) => PATH.test(name))?.[0].name;
  if (weight !== undefined) return weight.slice(0, weight.lastIndexOf("."));
  return node.scope === "" ? undefined : node.scope.split(/[./]/).filter(Boolean).join(".");
}

/** For layers without a path: what the paths before and after them have in common. */
function neighbours(layers: readonly Node[], given: Map<Node, string | undefined>): Map<Node, string> {
  const result = new Map<Node, string>();
  const after: string[] = [];
  let next: string | undefined;
  for (const node of layers.toReversed()) {
    next = given.get(node) ?? next;
    after.push(next ?? "");
  }
  after.reverse();
  let before: string | undefined;
  layers.forEach((node, i) => {
    const path = given.get(node);
    if (path !== undefined) {
      before = path;
      return;
    }
    given.delete(node);
    result.set(node, commonPath(before ?? "", after[i]!));
  });
  return result;
}

function commonPath(a: string, b: string): string {
  const [first, second] = [a.split("."), b.split(".")];
  let shared = 0;
  // the last part is the layer itself
  while (shared < Math.min(first.length, second.length) - 1 && first[shared] === second[shared]) shared++;
  return first.slice(0, shared).join(".");
}
