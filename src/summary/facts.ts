import {
  check,
  checkOptions,
  describe,
  formatShape,
  type Graph,
  isStatic,
  itemSize,
  type Node,
  numel,
  type Shape,
  type Value,
} from "../graph/index.ts";
import { Module, type ModuleCall, Parameter, type Trace, trace } from "../nn/index.ts";
import { operator } from "../operators/index.ts";
import { type Entry, entriesOf, ownNodes } from "./calls.ts";
import { receptiveFields } from "./receptive-field.ts";

/** One call of a module, or a module that is not called itself but contains modules that are. */
export interface Row {
  readonly type: string;
  /** Name of the property that holds it; its type at the root. */
  readonly varName: string;
  /** Path of properties from the root, such as "block1.0". */
  readonly path: string;
  readonly depth: number;
  /** Position among the rows of this depth, counted from 1. */
  readonly index: number;
  /** Whether it contains no modules. */
  readonly leaf: boolean;
  /** Whether its parameters were counted in an earlier row. */
  readonly recursive: boolean;
  /** Shapes of its first input and output; left out when it is not called. */
  readonly inputSize?: Shape;
  readonly outputSize?: Shape;
  /** Parameters of the module and all below it. */
  readonly params: number;
  readonly trainableParams: number;
  /** Parameters that belong to no row below. */
  readonly ownParams: number;
  /** Pixels. */
  readonly kernelSize?: number | readonly number[];
  /** Mult-adds as torchinfo counts them: parameters, biases included, times the pixels that they are applied to. */
  readonly multAdds: number;
  /** Multiply-accumulate operations of its operators and of all below it. */
  readonly macs: number;
  /** MACs of its own operators only. */
  readonly ownMacs: number;
  /** Results of its operators and of all below it, in bytes. */
  readonly activationBytes: number;
  /** Pixels of the image that one pixel of the output depends on [height, width]; Infinity for the whole image. */
  readonly receptiveField?: readonly [number, number];
}

/** Totals of a network. */
export interface Totals {
  /** All parameters of the network, including those of modules that are not called. */
  readonly params: number;
  readonly trainableParams: number;
  readonly multAdds: number;
  readonly macs: number;
  /** Number of inputs, and their size in bytes. */
  readonly inputs: number;
  readonly inputBytes: number;
  /** Outputs of all layers with parameters in bytes, once for the forward and once for the backward pass. */
  readonly passBytes: number;
  readonly paramBytes: number;
  /** Results of all operators together, in bytes. */
  readonly activationBytes: number;
  /** Weight layers on the longest path through the network. */
  readonly weightLayers: number;
  /** Largest receptive field in pixels [height, width], except those of the whole image. */
  readonly receptiveField: readonly [number, number];
}

/** Rows and totals of a network, for `renderText` and the other renderers. */
export interface Summary {
  readonly rows: readonly Row[];
  readonly totals: Totals;
}

/** Options of `summarize`. */
export interface SummarizeOptions {
  /** Shape of the input, such as [1, 3, 224, 224]; for several inputs, shapes by name. All sizes are numbers. */
  input: Shape | Readonly<Record<string, Shape>>;
  /** Summarize the training form. Default false. */
  training?: boolean;
}

/**
 * Shapes, parameters and costs of every layer, and their totals, for `renderText` and its like. No weights are allocated. Throws
 * when the network does not take an input of this shape, and for unknown options.
 *
 *     renderText(summarize(createModel("nin"), { input: [1, 3, 32, 32] }))
 */
export function summarize(model: Module, options: SummarizeOptions): Summary {
  check(
    model instanceof Module,
    () => `summarize: takes a network (a Module), but got ${describe(model)}; for an ONNX graph, see onnxModule`,
  );
  checkOptions("summarize", options, ["input", "training"]);
  const { input, training = false } = options;
  check(
    typeof input === "object" && input,
    () => `summarize: needs the shape of the input, such as { input: [1, 3, 224, 224] }, but got ${describe(input)}`,
  );
  return summarizeTrace(trace(model, input, { training }));
}

/** The summary of a trace. Throws when a size of its inputs is only a name. */
export function summarizeTrace({ graph, root, inputs }: Trace): Summary {
  for (const { value } of inputs) {
    check(
      isStatic(value.shape),
      () => `summarize: every size has to be a number, but the input "${value.name}" is ${formatShape(value.shape)}`,
    );
  }
  const entries = entriesOf(root);
  const fields = receptiveFields(graph);
  const calls = entries.flatMap(({ call }) => call ?? []);
  const rows = rowsOf(entries, ownNodes(graph, calls), fields);
  return { rows, totals: totalsOf(graph, inputs, { entries, rows, fields }) };
}

type Fields = ReadonlyMap<Value, readonly [number, number]>;
/** The operators of each call itself. */
type Nodes = ReadonlyMap<ModuleCall, readonly Node[]>;

function rowsOf(entries: readonly Entry[], nodes: Nodes, fields: Fields): Row[] {
  const own = entries.map((entry) => {
    const called = nodes.get(entry.call!) ?? [];
    return {
      macs: sum(called, (node) => operator(node.op, node.domain).macs?.(node) ?? 0),
      multAdds: multAdds(entry, called),
      bytes: sum(called, ({ op, outputs }) => (VIEWS.has(op) ? 0 : sum(outputs, bytes))),
    };
  });
  const recursive = recursiveOf(entries);
  const counts: number[] = [];
  return entries.map((entry, at) => {
    const { module, name, path, depth, call } = entry;
    counts[depth] = (counts[depth] ?? 0) + 1;
    const below = entriesBelow(entries, at);
    const shown = new Set(below.flatMap((entry) => parametersOf(entry.module)));
    const all = parametersOf(module);
    const costs = own.slice(at, at + 1 + below.length);
    const [y] = call?.outputs ?? [];
    const field = y && fields.get(y);
    const { kernelSize } = module as { kernelSize?: Row["kernelSize"] };
    return {
      type: module.type,
      varName: name,
      path,
      depth,
      index: counts[depth],
      leaf: isLeaf(module),
      recursive: recursive[at]!,
      ...(call && { inputSize: call.inputs[0]?.shape ?? [], outputSize: y?.shape ?? [] }),
      params: countOf(all),
      trainableParams: countOf(all.filter(({ requiresGrad }) => requiresGrad)),
      ownParams: countOf(all.filter((parameter) => !shown.has(parameter))),
      ...(kernelSize !== undefined && { kernelSize }),
      multAdds: sum(costs, ({ multAdds }) => multAdds),
      macs: sum(costs, ({ macs }) => macs),
      ownMacs: own[at]!.macs,
      activationBytes: sum(costs, ({ bytes }) => bytes),
      ...(field && { receptiveField: field }),
    };
  });
}

/** The entries within one. */
function entriesBelow(entries: readonly Entry[], at: number): readonly Entry[] {
  const next = entries.findIndex(({ depth }, i) => i > at && depth <= entries[at]!.depth);
  return entries.slice(at + 1, next < 0 ? undefined : next);
}

const isLeaf = (module: Module): boolean => Boolean(module.children().next().done);

/** torchinfo's rule: a module is repeated when an earlier row was of this module, or counted each of its own parameters. */
function recursiveOf(entries: readonly Entry[]): boolean[] {
  const modules = new Set<Module>();
  const counted = new Set<Parameter>();
  return entries.map(({ module }) => {
    const held = Object.values(module).filter((value) => value instanceof Parameter);
    const repeated = modules.has(module) || (held.length > 0 && held.every((parameter) => counted.has(parameter)));
    modules.add(module);
    for (const parameter of held) counted.add(parameter);
    return repeated;
  });
}

function totalsOf(
  graph: Graph,
  inputs: Trace["inputs"],
  { entries, rows, fields }: { entries: readonly Entry[]; rows: readonly Row[]; fields: Fields },
): Totals {
  const { params, trainableParams, multAdds, macs, activationBytes } = rows[0]!;
  const weighted = entries.filter((_, i) => rows[i]!.leaf && rows[i]!.params > 0);
  const widest = (axis: 0 | 1) =>
    Math.max(1, ...[...fields.values()].map((field) => field[axis]).filter(Number.isFinite));
  return {
    params,
    trainableParams,
    multAdds,
    macs,
    inputs: inputs.length,
    inputBytes: sum(inputs, ({ value }) => bytes(value)),
    passBytes: 2 * sum(weighted, ({ call }) => sum(call?.outputs ?? [], bytes)),
    paramBytes: 4 * params,
    activationBytes,
    weightLayers: weightLayers(graph),
    receptiveField: [widest(0), widest(1)],
  };
}

/** Operators whose result is their input in another shape. */
const VIEWS = new Set(["Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity"]);

/** Each parameter once, even if several modules share it. */
function parametersOf(module: Module): Parameter[] {
  return [...new Set(new Map(module.parameters()).values())];
}

const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((total, item) => total + of(item), 0);
const countOf = (parameters: readonly Parameter[]): number => sum(parameters, ({ numel }) => numel);
const bytes = ({ dtype, shape }: Value): number => numel(shape as readonly number[]) * itemSize(dtype);

/**
 * torchinfo's mult-adds of a call that contains no others: parameters called weight or bias times the pixels they are applied to,
 * parameters of similar names times batch and channels, others not at all. torchinfo goes by class names (Conv, Linear); here the
 * operators say what a layer does, as a minifier renames classes.
 */
function multAdds({ module, call }: Entry, called: readonly Node[]): number {
  const shape = call?.outputs[0]?.shape as readonly number[] | undefined;
  if (!shape || !isLeaf(module)) return 0;
  const [N = 1, , ...pixels] = shape;
  const times = called.some(({ op }) => op.startsWith("Conv"))
    ? N * numel(pixels)
    : called.some(({ op }) => op === "Gemm" || op === "MatMul")
      ? numel(shape.slice(0, -1))
      : N;
  return sum(Object.entries(module), ([name, stored]) => {
    if (!(stored instanceof Parameter)) return 0;
    const { numel: count } = stored;
    if (name === "weight" || name === "bias") return count * times;
    return /weight|bias/.test(name) ? count * numel(shape.slice(0, 2)) : 0;
  });
}

/** Applications of weights on the longest path from an input to an output. */
function weightLayers({ nodes, parameters, constants, outputs }: Graph): number {
  const weights = new Set<Value>(parameters);
  const depths = new Map<Value, number>();
  for (const node of nodes) {
    const known = node.inputs.filter((value) => value !== undefined);
    const depth = Math.max(0, ...known.map((value) => depths.get(value) ?? 0));
    const meets = known.some((x) => weights.has(x));
    const applies = meets && ["Conv", "ConvTranspose", "Gemm", "MatMul"].includes(node.op);
    // what is computed from weights only, such as a transposed one, is still a weight
    const weight = meets && known.every((x) => weights.has(x) || constants.has(x));
    for (const value of node.outputs) {
      depths.set(value, depth + (applies ? 1 : 0));
      if (weight) weights.add(value);
    }
  }
  return Math.max(0, ...[...outputs.values()].map((value) => depths.get(value) ?? 0));
}
