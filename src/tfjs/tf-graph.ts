/** The graph form: nodes of TensorFlow, with those that its converter fuses. */
import type { Dim, Shape, TensorData } from "../graph/index.ts";
import { type Builder, pathOf } from "./builder.ts";
import { ensure, quote } from "./error.ts";
import { parseNodes, type TfNode, type TfSignature } from "./schema.ts";
import { TF_OPERATORS } from "./tf-operators.ts";
import { declaredShape, heldOf, TfCall, type TfValue, typeOf } from "./tf-value.ts";

/** What the graph is built with. */
export interface TfGraphOptions {
  readonly weights: ReadonlyMap<string, TensorData>;
  readonly signature: TfSignature | undefined;
  /** Other shapes for inputs, by name, as [N, C, H, W]. */
  readonly inputs: Readonly<Record<string, Shape>>;
}

/** "node:1" or "node": a node, and which of its outputs. */
function reference(text: string): readonly [node: string, output: number] {
  const [, name = text, output = "0"] = /^(.*):(\d{1,4})$/s.exec(text) ?? [];
  return [name, Number(output)];
}

/** Inputs that are tensors; the others order side effects. */
const tensorsOf = ({ input }: TfNode) => input.filter((name) => !name.startsWith("^"));

/** Adds the graph of a model. Inputs and outputs have the names of its signature, else those of their nodes. */
export function buildTfGraph(
  b: Builder,
  topology: Readonly<Record<string, unknown>>,
  { weights, signature, inputs }: TfGraphOptions,
): void {
  const library = (topology.library ?? {}) as { function?: unknown };
  const nodes = parseNodes(topology.node);
  ensure(
    !Array.isArray(library.function) || library.function.length === 0,
    () => "the graph has functions, as networks with control flow do; only graphs of operators are supported",
  );
  const byName = new Map(nodes.map((node) => [node.name, node]));
  ensure(byName.size === nodes.length, () => "two nodes of the graph have the same name");
  const prefix = commonPrefix(nodes.filter(({ op }) => op !== "Const").map(({ name }) => partsOf(name)));
  const shorten = (name: string) => pathOf(partsOf(name).slice(prefix(name)).join("/"));
  const inputNames = named(signature?.inputs);
  const values = new Map<string, readonly TfValue[]>();

  const place = (node: TfNode): readonly TfValue[] => {
    const data = node.op === "Const" ? weights.get(node.name) : undefined;
    if (node.op === "Const") {
      ensure(data, () => `there is no weight ${quote(node.name)} in the files of weights`);
      return [{ data, name: shorten(node.name) }];
    }
    if (node.op.startsWith("Placeholder")) return [placeholder(node)];
    const what = `the node ${quote(node.name)} (${node.op.slice(0, 60)})`;
    const rule = Object.hasOwn(TF_OPERATORS, node.op) ? TF_OPERATORS[node.op] : undefined;
    ensure(rule, () => `${what} is not supported; supported are ${Object.keys(TF_OPERATORS).join(", ")}`);
    const scope = shorten(node.name.split("/").slice(0, -1).join("/"));
    return b.within(scope, what, () => {
      const read = tensorsOf(node).map((text) => {
        const [name, output] = reference(text);
        const value = values.get(name)?.[output];
        ensure(value, () => `it reads ${quote(text)}, which nothing computes`);
        return value;
      });
      const made = rule(
        new TfCall(b, node, read, (weight) => layerPath(isFunction(weight) ? shorten(node.name) : weight)),
      );
      return Array.isArray(made) ? (made as readonly TfValue[]) : [made as TfValue];
    });
  };

  const placeholder = (node: TfNode): TfValue => {
    const name = inputNames.get(node.name) ?? node.name;
    const declared = declaredShape(node);
    ensure(declared?.length, () => `the input ${quote(name)} has no shape`);
    const open =
      declared.length === 4 ? ["N", "height", "width", "channels"] : declared.map((_, i) => (i ? `size_${i}` : "N"));
    const shape: Dim[] = declared.map((size, i) => (i === 0 || size < 0 ? open[i]! : size));
    const isImage = shape.length === 4;
    const own = isImage ? [shape[0]!, shape[3]!, shape[1]!, shape[2]!] : shape;
    const asked = Object.hasOwn(inputs, name) ? inputs[name] : undefined;
    return { held: b.input(name, typeOf(node.attr.dtype?.type), own, isImage, asked) };
  };

  // what the outputs need, each node after those that it reads
  const wanted = outputsOf(nodes, signature);
  const open = wanted.map(({ node }) => node).toReversed();
  const entered = new Set<string>();
  while (open.length > 0) {
    const name = open.at(-1)!;
    const node = byName.get(name);
    ensure(node, () => `the node ${quote(name)} is read, but is not in the graph`);
    const missing = values.has(name)
      ? []
      : tensorsOf(node)
          .map((text) => reference(text)[0])
          .filter((other) => !values.has(other));
    if (missing.length === 0) {
      open.pop();
      if (!values.has(name)) values.set(name, place(node));
      continue;
    }
    ensure(!entered.has(name), () => `the node ${quote(name)} reads its own output; loops are not supported`);
    entered.add(name);
    open.push(...missing.toReversed());
  }
  ensure(b.graph.inputs.length > 0, () => "the graph has no input");
  for (const { node, output, name } of wanted) {
    const value = values.get(node)![output];
    ensure(value, () => `the output ${quote(name)} is not computed`);
    const result = heldOf(b, value);
    b.graph.output(name, result.value.shape.length === 4 ? b.images(result) : b.plain(result));
  }
}

/** From nodes to the names that a signature gives them. */
function named(entries: TfSignature["inputs"]): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(entries ?? {}).map(([key, { name }]) => [reference(name ?? key)[0], reference(key)[0]] as const),
  );
}

/** The outputs: those of the signature, else the nodes that no other reads. */
function outputsOf(nodes: readonly TfNode[], signature: TfSignature | undefined) {
  const told = Object.entries(signature?.outputs ?? {});
  const known = new Set(nodes.map(({ name }) => name));
  if (told.length > 0 && told.every(([key, { name }]) => known.has(reference(name ?? key)[0]))) {
    return told.map(([key, { name }]) => {
      const [node, output] = reference(name ?? key);
      return { node, output, name: reference(key)[0] };
    });
  }
  const read = new Set(nodes.flatMap(({ input }) => input.map((text) => reference(text.replace(/^\^/, ""))[0])));
  const ends = nodes.filter(({ name, op }) => !read.has(name) && op !== "Const" && op !== "NoOp");
  ensure(ends.length > 0, () => "the graph has no output");
  return ends.map(({ name }) => ({ node: name, output: 0, name }));
}

/** The parts of a name, without those of functions that calls were replaced by. */
const partsOf = (name: string): readonly string[] =>
  name.split("/").filter((part) => !/^(Stateful)?PartitionedCall(_\d+)?$/.test(part));

/** How many of the first parts all names inside a scope have in common, such as "model/"; of a name that shares them. */
function commonPrefix(names: readonly (readonly string[])[]): (name: string) => number {
  const scoped = names.map((parts) => parts.slice(0, -1)).filter(({ length }) => length > 0);
  const [first = [], ...others] = scoped;
  let shared = first.length;
  for (const parts of others) {
    const differs = first.findIndex((part, i) => part !== parts[i]);
    shared = Math.min(shared, differs < 0 ? first.length : differs);
  }
  return (name) =>
    partsOf(name)
      .slice(0, shared)
      .every((part, i) => part === first[i])
      ? shared
      : 0;
}

/** Weights that went into a function have names that say nothing of their layer. */
const isFunction = (weight: string) => weight.startsWith("Func.");

/** Names that TensorFlow gives to an operator of a layer, rather than to a layer. */
const OPERATOR_PART = /^(Conv2D|MatMul|BiasAdd|conv2d_transpose|Tensordot)$/;

/** Path of a layer by the path of its kernel: "conv1.Conv2D.ReadVariableOp" → "conv1". */
function layerPath(weight: string): string {
  const parts = weight.split(".");
  if (parts.length > 1) parts.pop();
  while (parts.length > 1 && OPERATOR_PART.test(parts.at(-1)!)) parts.pop();
  return parts.join(".");
}
