import { check, type Graph, isStatic, itemSize, numel, type Shape, type Value } from "../graph/index.ts";
import { type Module, type ModuleCall, Parameter, type Trace, trace } from "../nn/index.ts";
import { type Entry, entriesOf, ownMacs } from "./calls.ts";
import { receptiveFields } from "./receptive-field.ts";

/** What is known of one call of a module, or of a module that is not called itself but holds some that are. */
export interface Row {
  readonly type: string;
  /** Name of the property that holds it; that of the class at the root. */
  readonly varName: string;
  /** Properties that lead to it from the root, such as "block1.0". */
  readonly path: string;
  readonly depth: number;
  /** Position among the rows of this depth, from 1. */
  readonly index: number;
  /** Whether it has no modules below it. */
  readonly leaf: boolean;
  /** Whether an earlier row has counted its parameters. */
  readonly recursive: boolean;
  /** Shapes of its first input and output; left out where it is not called. */
  readonly inputSize?: Shape;
  readonly outputSize?: Shape;
  /** Parameters of the module and all below it. */
  readonly params: number;
  readonly trainableParams: number;
  /** Those that belong to no module of a row below. */
  readonly ownParams: number;
  /** Pixels. */
  readonly kernelSize?: number | readonly number[];
  /** Mult-adds as torchinfo counts them: parameters times the pixels that they are applied to, biases included. */
  readonly multAdds: number;
  /** Multiply-accumulate operations of its operators and of all below it. */
  readonly macs: number;
  /** Those of its own operators. */
  readonly ownMacs: number;
  /** Bytes of what it gives out. */
  readonly activationBytes: number;
  /** Pixels of the image that a pixel of the output depends on [height, width]; Infinity where that is the whole image. */
  readonly receptiveField?: readonly [number, number];
}

export interface Totals {
  /** All parameters of the network, those of modules that are not called included. */
  readonly params: number;
  readonly trainableParams: number;
  readonly multAdds: number;
  readonly macs: number;
  /** How many tensors the network takes, and their bytes. */
  readonly inputs: number;
  readonly inputBytes: number;
  /** Outputs of all layers with parameters, once for the forward and once for the backward pass. */
  readonly passBytes: number;
  readonly paramBytes: number;
  /** Results of all operators together. */
  readonly activationBytes: number;
  /** Layers with weights on the longest way through the network. */
  readonly weightLayers: number;
  /** Pixels of the image [height, width] that a pixel of the deepest maps depends on: the largest short of the whole image. */
  readonly receptiveField: readonly [number, number];
}

export interface Summary {
  readonly rows: readonly Row[];
  readonly totals: Totals;
}

export interface SummarizeOptions {
  /** Shape of the input, all sizes known, such as [1, 3, 224, 224]; several inputs by name. */
  input: Shape | Readonly<Record<string, Shape>>;
  /** Summarise the form for training. Default false. */
  training?: boolean;
}

/** Facts of every module call, in order, and their totals. No weight is allocated. */
export function summarize(model: Module, { input, training = false }: SummarizeOptions): Summary {
  return summarizeTrace(trace(model, input, { training }));
}

/** The same of a trace with inputs of known sizes. Throws where a size is but named. */
export function summarizeTrace({ graph, root, inputs }: Trace): Summary {
  for (const { value } of inputs) {
    check(
      isStatic(value.shape),
      () => `summarize: costs depend on every size, but ${value.name} is [${value.shape.join(", ")}]; give numbers`,
    );
  }
  const entries = entriesOf(root);
  const fields = receptiveFields(graph);
  const macs = ownMacs(
    graph,
    entries.flatMap(({ call }) => call ?? []),
  );
  const rows = rowsOf(entries, macs, fields);
  return { rows, totals: totalsOf(graph, inputs, rows, fields) };
}

type Fields = ReadonlyMap<Value, readonly [number, number]>;

function rowsOf(entries: readonly Entry[], macs: ReadonlyMap<ModuleCall, number>, fields: Fields): Row[] {
  const recursive = recursiveOf(entries);
  const counts: number[] = [];
  return entries.map(({ module, name, path, depth, call }, at) => {
    counts[depth] = (counts[depth] ?? 0) + 1;
    const below = entriesBelow(entries, at);
    const shown = new Set(below.flatMap((entry) => [...parametersOf(entry.module)]));
    const all = [...parametersOf(module)];
    const own = all.filter((parameter) => !shown.has(parameter));
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
      ownParams: countOf(own),
      ...(kernelSize !== undefined && { kernelSize }),
      multAdds: sum([entries[at]!, ...below].map(multAdds)),
      macs: sum([entries[at]!, ...below].map((entry) => (entry.call && macs.get(entry.call)) ?? 0)),
      ownMacs: (call && macs.get(call)) ?? 0,
      activationBytes: sum((call?.outputs ?? []).map(bytes)),
      ...(field && { receptiveField: field }),
    };
  });
}

/** The entries of what is called within one. */
function entriesBelow(entries: readonly Entry[], at: number): readonly Entry[] {
  const next = entries.findIndex(({ depth }, i) => i > at && depth <= entries[at]!.depth);
  return entries.slice(at + 1, next < 0 ? undefined : next);
}

const isLeaf = (module: Module): boolean => module.children().next().done === true;

/** torchinfo's rule: a module is repeated where its row, or one for each of the parameters it holds itself, came before. */
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

function totalsOf(graph: Graph, inputs: Trace["inputs"], rows: readonly Row[], fields: Fields): Totals {
  const { params, trainableParams, multAdds, macs } = rows[0]!;
  const weighted = rows.filter((row) => row.leaf && row.params > 0);
  const results = graph.nodes.filter(({ op }) => !VIEWS.has(op)).flatMap(({ outputs }) => outputs);
  const widest = (axis: 0 | 1) =>
    Math.max(1, ...[...fields.values()].map((field) => field[axis]).filter((size) => Number.isFinite(size)));
  return {
    params,
    trainableParams,
    multAdds,
    macs,
    inputs: inputs.length,
    inputBytes: sum(inputs.map(({ value }) => bytes(value))),
    passBytes: 2 * sum(weighted.map((row) => row.activationBytes)),
    paramBytes: 4 * params,
    activationBytes: sum(results.map(bytes)),
    weightLayers: weightLayers(graph),
    receptiveField: [widest(0), widest(1)],
  };
}

/** Operators whose result is their input in another shape. */
const VIEWS = new Set(["Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity"]);

/** Each parameter once, even if it stands in several modules. */
function parametersOf(module: Module): Set<Parameter> {
  return new Set([...module.parameters()].map(([, parameter]) => parameter));
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const countOf = (parameters: readonly Parameter[]): number => sum(parameters.map(({ numel }) => numel));
const bytes = ({ dtype, shape }: Value): number => numel(shape as readonly number[]) * itemSize(dtype);

/**
 * torchinfo's rule for layers, by the names of class and parameter: a convolution's count at every pixel of every image, a linear
 * layer's at every position but the last axis, other weights and biases once an image, parameters of other names never.
 */
function multAdds({ module, call }: Entry): number {
  const shape = call?.outputs[0]?.shape as readonly number[] | undefined;
  if (!shape || !isLeaf(module)) return 0;
  const [N = 1, , ...pixels] = shape;
  const times = module.type.includes("Conv")
    ? N * numel(pixels)
    : module.type.includes("Linear")
      ? numel(shape.slice(0, -1))
      : N;
  return sum(
    [...module.parameters()].map(([name, { numel: count }]) => {
      if (name === "weight" || name === "bias") return count * times;
      return /weight|bias/.test(name) ? count * numel(shape.slice(0, 2)) : 0;
    }),
  );
}

/** Applications of weights on the longest way from an input to an output. */
function weightLayers({ nodes, parameters, outputs }: Graph): number {
  const weights = new Set<Value>(parameters);
  const depths = new Map<Value, number>();
  for (const node of nodes) {
    const known = node.inputs.filter((value) => value !== undefined);
    const depth = Math.max(0, ...known.map((value) => depths.get(value) ?? 0));
    const applies = ["Conv", "ConvTranspose", "Gemm", "MatMul"].includes(node.op) && known.some((x) => weights.has(x));
    // a weight stays one when it is but turned or reshaped
    const weight = known.length > 0 && ["Transpose", "Reshape"].includes(node.op) && weights.has(known[0]!);
    for (const value of node.outputs) {
      depths.set(value, depth + (applies ? 1 : 0));
      if (weight) weights.add(value);
    }
  }
  return Math.max(0, ...[...outputs.values()].map((value) => depths.get(value) ?? 0));
}
