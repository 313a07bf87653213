import { type Dim, type DType, isStatic, type Shape, type TensorData, tensor } from "../graph/index.ts";
import type { Builder, Held } from "./builder.ts";
import { ensure, quote } from "./error.ts";
import type { TfAttribute, TfNode } from "./schema.ts";

/** A tensor of the graph form: computed, or known before the graph runs. */
export type TfValue = Computed | Constant | Sizes;

interface Computed {
  readonly held: Held;
}

/** A tensor of the files of weights, under the name of its node. */
interface Constant {
  readonly data: TensorData;
  readonly name: string;
}

/** Sizes of axes that the graph computes with: a vector, or one of them. */
interface Sizes {
  readonly sizes: readonly Dim[];
  readonly isScalar: boolean;
}

/** One node on its way into our graph. */
export class TfCall {
  readonly b: Builder;
  readonly node: TfNode;
  readonly inputs: readonly TfValue[];
  /** Path that the weights of the node get, from the name of the weight. */
  readonly pathOf: (weight: string) => string;

  constructor(b: Builder, node: TfNode, inputs: readonly TfValue[], pathOf: (weight: string) => string) {
    this.b = b;
    this.node = node;
    this.inputs = inputs;
    this.pathOf = pathOf;
  }

  input(i: number): TfValue {
    const given = this.inputs[i];
    ensure(given, () => `its input ${i} is missing`);
    return given;
  }

  /** An input as a tensor of the graph. */
  held(i: number): Held {
    return heldOf(this.b, this.input(i));
  }

  /** An input that comes from the files of weights. */
  weight(i: number): Constant {
    const given = this.input(i);
    ensure("data" in given, () => `its input ${i} has to be a weight, but is computed`);
    return given;
  }

  /** Whole numbers that are known before the graph runs, such as a shape. */
  sizes(i: number): readonly Dim[] {
    const sizes = sizesOf(this.input(i));
    ensure(sizes, () => `its input ${i} has to be known before the graph runs`);
    return sizes;
  }

  /** `sizes`, without those that are open. */
  ints(i: number): readonly number[] {
    const sizes = this.sizes(i);
    ensure(isStatic(sizes), () => `its input ${i} depends on the size of the input, [${sizes}]`);
    return sizes;
  }

  // Attributes, as protobuf writes them in JSON

  #attribute(name: string): TfAttribute | undefined {
    return Object.hasOwn(this.node.attr, name) ? this.node.attr[name] : undefined;
  }

  string(name: string, otherwise: string): string {
    const { s } = this.#attribute(name) ?? {};
    return s === undefined ? otherwise : textOf(s);
  }

  strings(name: string): readonly string[] {
    return (this.#attribute(name)?.list?.s ?? []).map(textOf);
  }

  number(name: string, otherwise: number): number {
    const { i, f } = this.#attribute(name) ?? {};
    return Number(i ?? f ?? otherwise);
  }

  numbers(name: string): readonly number[] | undefined {
    return this.#attribute(name)?.list?.i?.map(Number);
  }

  boolean(name: string): boolean {
    return this.#attribute(name)?.b ?? false;
  }

  type(name: string): DType {
    return typeOf(this.#attribute(name)?.type);
  }
}

const TYPES: Readonly<Record<string, DType>> = {
  DT_FLOAT: "float32",
  1: "float32",
  DT_INT32: "int32",
  3: "int32",
  DT_UINT8: "uint8",
  4: "uint8",
  DT_INT64: "int64",
  9: "int64",
  DT_BOOL: "bool",
  10: "bool",
};

export function typeOf(type: string | number | undefined): DType {
  const key = String(type ?? "DT_FLOAT");
  const known = Object.hasOwn(TYPES, key) ? TYPES[key] : undefined;
  ensure(known, () => `tensors of the type ${quote(key)} are not supported`);
  return known;
}

/** Bytes in JSON are base64, or a list of numbers. */
const textOf = (bytes: string | readonly number[]): string =>
  typeof bytes === "string" ? decoded(bytes) : String.fromCharCode(...bytes.slice(0, 100));

function decoded(text: string): string {
  try {
    return atob(text);
  } catch {
    return text;
  }
}

/** The shape of a placeholder; undefined where the file does not say it. */
export function declaredShape({ attr }: TfNode): readonly number[] | undefined {
  const { shape } = (Object.hasOwn(attr, "shape") && attr.shape) || {};
  return shape && !shape.unknownRank ? shape.dim.map(({ size }) => Number(size)) : undefined;
}

/** Most numbers that are looked at before the graph runs. */
const MAX_SIZES = 1000;

export function sizesOf(value: TfValue): readonly Dim[] | undefined {
  if ("sizes" in value) return value.sizes;
  if ("held" in value || value.data.data.length > MAX_SIZES) return undefined;
  return Array.from(value.data.data as Float32Array, Number);
}

export function heldOf(b: Builder, value: TfValue): Held {
  if ("held" in value) return value.held;
  if ("data" in value) return { value: b.graph.constant(value.data, value.name), images: false };
  const { sizes, isScalar } = value;
  ensure(isStatic(sizes), () => `it computes with the size [${sizes}], which is not known before the graph runs`);
  const shape: Shape = isScalar ? [] : [sizes.length];
  return { value: b.ops.constant(tensor("int32", shape as number[], Int32Array.from(sizes))), images: false };
}
