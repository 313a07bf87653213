import type { Shape, Value } from "../../graph/index.ts";
import { totalsOf } from "./facts.ts";
import { isUnit, type Network, type Part, type Unit } from "./parts.ts";

/** A layer of a structure; tensors are positions in its list. */
interface StoredUnit extends Omit<Unit, "reads" | "gives" | "weights"> {
  readonly reads: readonly number[];
  readonly gives: readonly number[];
  readonly weights: readonly number[];
}
interface StoredPart extends Omit<Part, "parts"> {
  readonly parts: readonly (StoredPart | StoredUnit)[];
}

/** All that drawings show of a network, as plain data that JSON and messages to workers keep. It has no weights. */
export interface Structure {
  readonly title: string;
  /** Parameters, and multiply-accumulates for one image. */
  readonly params: number;
  readonly macs: number;
  /** Shapes of the tensors that are read or given by layers. */
  readonly tensors: readonly Shape[];
  readonly root: StoredPart;
  readonly modular: boolean;
  /** Names of inputs and outputs with their tensors. */
  readonly inputs: readonly (readonly [name: string, tensor: number])[];
  readonly outputs: readonly (readonly [name: string, tensor: number])[];
}

export function structureOf(network: Network, title: string): Structure {
  const { root, modular, inputs, outputs } = network;
  const numbers = new Map<Value, number>();
  const number = (value: Value): number => {
    const known = numbers.get(value) ?? numbers.size;
    numbers.set(value, known);
    return known;
  };
  const part = (one: Part): StoredPart => ({
    ...one,
    parts: one.parts.map((child) => (isUnit(child) ? unit(child) : part(child))),
  });
  const unit = (one: Unit): StoredUnit => ({
    ...one,
    reads: one.reads.map(number),
    gives: one.gives.map(number),
    weights: one.weights.map(number),
  });
  const stored = {
    ...{ title, ...totalsOf(network), modular, root: part(root) },
    inputs: inputs.map((value) => [value.name, number(value)] as const),
    outputs: [...outputs].map(([name, value]) => [name, number(value)] as const),
  };
  return { ...stored, tensors: [...numbers.keys()].map(({ shape }) => shape) };
}

export function networkFrom({ tensors, root, modular, inputs, outputs }: Structure): Network {
  const names = new Map(inputs.map(([name, tensor]) => [tensor, name]));
  const values = tensors.map((shape, i): Value => ({ name: names.get(i) ?? "", dtype: "float32", shape }));
  const all = (positions: readonly number[]) => positions.map((position) => values[position]!);
  const part = (one: StoredPart): Part => ({
    ...one,
    parts: one.parts.map((child) => ("face" in child ? unit(child) : part(child))),
  });
  const unit = (one: StoredUnit): Unit => ({
    ...one,
    reads: all(one.reads),
    gives: all(one.gives),
    weights: all(one.weights),
  });
  return {
    ...{ root: part(root), modular },
    inputs: inputs.map(([, tensor]) => values[tensor]!),
    outputs: new Map(outputs.map(([name, tensor]) => [name, values[tensor]!])),
  };
}
