import { check, isStatic, itemSize, numel, type Shape, type Value } from "../graph/index.ts";
import { type Module, type ModuleCall, type Trace, trace } from "../nn/index.ts";
import { operator } from "../operators/index.ts";
import { receptiveFields } from "./receptive-field.ts";

/** What is known of one call of a module. */
export interface Row {
  readonly type: string;
  /** Name of the property that holds it; that of the class at the root. */
  readonly varName: string;
  readonly path: string;
  readonly depth: number;
  /** Position among the calls of this depth, from 1. */
  readonly index: number;
  readonly leaf: boolean;
  readonly inputSize: Shape;
  readonly outputSize: Shape;
  /** Parameters of the module and all below it. */
  readonly params: number;
  readonly trainableParams: number;
  /** Those that belong to no module below it. */
  readonly ownParams: number;
  readonly kernelSize?: number | readonly number[];
  /** Mult-adds as torchinfo counts them: parameters times the pixels that they are applied to, biases included. */
  readonly multAdds: number;
  /** Multiply-accumulate operations of its operators. */
  readonly macs: number;
  /** Bytes of what it gives out. */
  readonly activationBytes: number;
  /** Pixels of the image that one pixel of the output depends on [height, width]; Infinity where it is all. */
  readonly receptiveField: readonly [number, number];
}

export interface Totals {
  readonly params: number;
  readonly trainableParams: number;
  readonly multAdds: number;
  readonly macs: number;
  readonly inputBytes: number;
  /** Outputs of all layers with parameters, once for the forward and once for the backward pass. */
  readonly passBytes: number;
  readonly paramBytes: number;
  /** Layers with weights on the longest way through the network. */
  readonly weightLayers: number;
}

export interface Summary {
  readonly rows: readonly Row[];
  readonly totals: Totals;
}

export interface SummarizeOptions {
  /** Shape of the input, all sizes known, such as [1, 3, 224, 224]. */
  input: Shape;
  /** Summarise the form for training. Default false. */
  training?: boolean;
}

/** Facts of every module call, in order, and their totals. No weight is allocated. */
export function summarize(model: Module, { input, training = false }: SummarizeOptions): Summary {
  check(isStatic(input), () => `summarize: all sizes of the input have to be known, but it is [${input.join(", ")}]`);
  return summarizeTrace(trace(model, input, { training }));
}

export function summarizeTrace(traced: Trace): Summary {
  const { graph, root } = traced;
  const fields = receptiveFields(graph);
  const macsByScope = new Map<string, number>();
  for (const node of graph.nodes) {
    const macs = operator(node.op, node.domain).macs?.(node) ?? 0;
    macsByScope.set(node.scope, (macsByScope.get(node.scope) ?? 0) + macs);
  }
  const rows: Row[] = [];
  const counts: number[] = [];

  const visit = (call: ModuleCall, depth: number): { multAdds: number; macs: number } => {
    const { module, name, path, calls } = call;
    counts[depth] = (counts[depth] ?? 0) + 1;
    const at = rows.length;
    const index = counts[depth]!;
    rows.push(undefined as never); // children come after, but their sums are needed here
    const below = calls.map((child) => visit(child, depth + 1));
    const sum = (key: "multAdds" | "macs") => below.reduce((total, part) => total + part[key], 0);
    const [y] = call.outputs;
    const outputSize = y?.shape ?? [];
    const all = [...module.parameters()].map(([, parameter]) => parameter);
    const params = all.reduce((total, { numel }) => total + numel, 0);
    const own = all.length === 0 ? 0 : params - childParams(module);
    const multAdds = sum("multAdds") + own * timesApplied(module, outputSize);
    const macs = sum("macs") + (macsByScope.get(path) ?? 0);
    const kernelSize = (module as { kernelSize?: number | readonly number[] }).kernelSize;
    rows[at] = {
      type: module.type,
      varName: name,
      path,
      depth,
      index,
      leaf: calls.length === 0,
      inputSize: call.inputs[0]?.shape ?? [],
      outputSize,
      params,
      trainableParams: all.reduce((total, { numel, requiresGrad }) => total + (requiresGrad ? numel : 0), 0),
      ownParams: own,
      ...(kernelSize !== undefined && { kernelSize }),
      multAdds,
      macs,
      activationBytes: call.outputs.reduce((total, value) => total + bytes(value), 0),
      receptiveField: (y && fields.get(y)) ?? [1, 1],
    };
    return { multAdds, macs };
  };
  visit(root, 0);
  return { rows, totals: totalsOf(traced, rows) };
}

function totalsOf({ graph, inputs }: Trace, rows: readonly Row[]): Totals {
  const [root] = rows;
  const weighted = rows.filter(({ leaf, ownParams }) => leaf && ownParams > 0);
  // torchinfo counts the parameters of the modules that were called
  const params = rows.reduce((total, { ownParams }) => total + ownParams, 0);
  const frozen = root!.params - root!.trainableParams;
  return {
    params,
    trainableParams: params - frozen,
    multAdds: root!.multAdds,
    macs: root!.macs,
    inputBytes: inputs.reduce((total, { value }) => total + bytes(value), 0),
    passBytes: 2 * weighted.reduce((total, { activationBytes }) => total + activationBytes, 0),
    paramBytes: 4 * params,
    weightLayers: weightLayers(graph),
  };
}

function childParams(module: Module): number {
  let total = 0;
  for (const [, child] of module.children()) for (const [, { numel }] of child.parameters()) total += numel;
  return total;
}

/** How often torchinfo counts a parameter: convolutions at every pixel of every image, others once an image. */
function timesApplied(module: Module, [N = 1, , ...pixels]: Shape): number {
  return Number(N) * (module.type.includes("Conv") ? numel(pixels.map(Number)) : 1);
}

function bytes({ dtype, shape }: Value): number {
  return numel(shape.map(Number)) * itemSize(dtype);
}

/** Convolutions and matrix products on the longest way from an input to an output. */
function weightLayers(graph: {
  nodes: readonly { op: string; inputs: readonly (Value | undefined)[]; outputs: readonly Value[] }[];
  outputs: ReadonlyMap<string, Value>;
}): number {
  const depths = new Map<Value, number>();
  for (const { op, inputs, outputs } of graph.nodes) {
    const before = Math.max(0, ...inputs.map((value) => (value && depths.get(value)) ?? 0));
    const depth = before + (["Conv", "Gemm", "MatMul"].includes(op) ? 1 : 0);
    for (const value of outputs) depths.set(value, depth);
  }
  return Math.max(0, ...[...graph.outputs.values()].map((value) => depths.get(value) ?? 0));
}
