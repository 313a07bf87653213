import { findOperator, type Operator } from "../operators/index.ts";
import type { GraphProto, NodeProto } from "./proto.ts";

/** Operators that the file may have and our opset lacks, with the weights that they read. */
const OTHERS: Readonly<Record<string, Operator["weights"]>> = { GroupNormalization: { 1: "weight", 2: "bias" } };

/** Real tensors of a file by name, with the number of their elements. */
export type Candidates = ReadonlyMap<string, number>;

/**
 * The initializers that are parameters: those that a layer reads as its weights (`weights` in its operator's record), even if they
 * are rearranged first. Everything else is a constant: whole numbers, limits of Clip, scales of Resize. Add and Mul read biases
 * and gains that exporters write apart from their layer: an operand with more than one element is a parameter if it follows a
 * layer with weights; before the first layer it belongs to the preprocessing.
 */
export function parameterNames({ node: nodes = [] }: GraphProto, candidates: Candidates): Set<string> {
  /** From a value that is a weight, rearranged or not, to the initializer it comes from. */
  const origin = new Map([...candidates.keys()].map((name) => [name, name]));
  const parameters = new Set<string>();
  /** Values that depend on a layer with weights. */
  const learned = new Set<string>();

  for (const node of nodes) {
    const { input = [], output = [], opType = "" } = node;
    const source = findOperator(opType)?.keeps === "elements" ? origin.get(input[0] ?? "") : undefined;
    if (source !== undefined && output[0]) origin.set(output[0], source);
    const follows = input.some((name) => learned.has(name));
    const read = weightsOf(node).flatMap((name) => origin.get(name) ?? []);
    const elementwise = opType === "Add" || opType === "Mul";
    const taken = elementwise ? read.filter((name) => follows && candidates.get(name)! > 1) : read;
    for (const name of taken) parameters.add(name);
    if (follows || taken.length > 0) for (const name of output) learned.add(name);
  }
  return parameters;
}

function weightsOf({ input = [], opType = "" }: NodeProto): string[] {
  const positions = findOperator(opType)?.weights ?? (Object.hasOwn(OTHERS, opType) ? OTHERS[opType] : undefined);
  return Object.keys(positions ?? {}).flatMap((i) => input[Number(i)] ?? []);
}
