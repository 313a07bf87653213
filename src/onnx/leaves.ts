import type { GraphProto, NodeProto } from "./proto.ts";

/**
 * Inputs at which an operator reads weights, and what each is called in a layer. Of Add and Mul these are biases and gains that
 * exporters write apart from the layer they belong to.
 */
export const WEIGHT_INPUTS: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  Conv: { 1: "weight", 2: "bias" },
  ConvTranspose: { 1: "weight", 2: "bias" },
  Gemm: { 1: "weight", 2: "bias" },
  MatMul: { 0: "weight", 1: "weight" },
  BatchNormalization: { 1: "weight", 2: "bias", 3: "running_mean", 4: "running_var" },
  InstanceNormalization: { 1: "weight", 2: "bias" },
  LayerNormalization: { 1: "weight", 2: "bias" },
  GroupNormalization: { 1: "weight", 2: "bias" },
  PRelu: { 1: "weight" },
  Add: { 0: "bias", 1: "bias" },
  Mul: { 0: "weight", 1: "weight" },
};

/** Operators through which a weight may come to its layer. */
export const REARRANGES = new Set(["Identity", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Cast"]);

/** Real tensors of a file by name, with the number of their elements. */
export type Candidates = ReadonlyMap<string, number>;

/**
 * The initializers that are parameters: those that a layer reads as its weights (see `WEIGHT_INPUTS`), be it rearranged first.
 * Everything else is a constant: whole numbers, limits of Clip, scales of Resize. An operand of Add or Mul is a parameter where
 * it has more than one element and follows a layer with weights; before the first layer it belongs to the preprocessing.
 */
export function parameterNames({ node: nodes = [] }: GraphProto, candidates: Candidates): Set<string> {
  /** From a value that is a weight, rearranged or not, to the initializer it comes from. */
  const origin = new Map([...candidates.keys()].map((name) => [name, name]));
  const parameters = new Set<string>();
  /** Values that depend on a layer with weights. */
  const learnt = new Set<string>();

  for (const node of nodes) {
    const { input = [], output = [], opType = "" } = node;
    const source = REARRANGES.has(opType) ? origin.get(input[0] ?? "") : undefined;
    if (source !== undefined && output[0]) origin.set(output[0], source);
    const follows = input.some((name) => learnt.has(name));
    const read = weightsOf(node).flatMap((name) => origin.get(name) ?? []);
    const elementwise = opType === "Add" || opType === "Mul";
    const taken = elementwise ? read.filter((name) => follows && candidates.get(name)! > 1) : read;
    for (const name of taken) parameters.add(name);
    if (follows || taken.length > 0) for (const name of output) learnt.add(name);
  }
  return parameters;
}

function weightsOf({ input = [], opType = "" }: NodeProto): string[] {
  const positions = Object.hasOwn(WEIGHT_INPUTS, opType) ? WEIGHT_INPUTS[opType]! : {};
  return Object.keys(positions).flatMap((i) => input[Number(i)] ?? []);
}
