import {
  type Attributes,
  attribute,
  check,
  type Dim,
  isStatic,
  type Node,
  numel,
  type Shape,
  type TensorType,
  type Value,
} from "../graph/index.ts";
import type { Ops } from "./ops.ts";

/** One use of an operator, as its rules see it. */
export class Application {
  readonly op: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  /** Elements of input `i`, where they are known before the graph runs. Sizes among them may be named, as in shapes. */
  readonly known: (i: number) => readonly Dim[] | undefined;

  constructor({ op, inputs, attributes }: Pick<Node, "op" | "inputs" | "attributes">, known: Application["known"]) {
    this.op = op;
    this.inputs = inputs;
    this.attributes = attributes;
    this.known = known;
  }

  /** The first input, which every rule calls x. */
  get x(): Value {
    return this.input(0);
  }

  /** The second input: the weight of a layer, or whatever else meets x. */
  get w(): Value {
    return this.input(1);
  }

  /** Input `i`. Throws if it is left out. */
  input(i: number): Value {
    return input(this, i);
  }

  /** Elements of input `i`, some of which may be named sizes. Throws if they are not known before the graph runs. */
  sizes(i: number): Shape {
    const known = this.known(i);
    check(known, () => `${this.op}: input ${i} (${this.inputs[i]?.name ?? "left out"}) has to be a constant`);
    return known;
  }

  /** Numbers of input `i`. Throws if they are not known before the graph runs. */
  numbers(i: number): readonly number[] {
    const numbers = this.sizes(i);
    check(isStatic(numbers), () => `${this.op}: input ${i} holds ${numbers.join(", ")}, but has to be a constant`);
    return numbers;
  }

  /** The attribute `axis`, counted from the front of x. */
  axis(otherwise?: number): number {
    return axisOf(this.op, attribute.int(this, "axis", otherwise), this.x.shape.length);
  }
}

/** What a gradient rule is given: the use of the operator, its outputs, and the gradients of the loss with respect to them. */
export class Backward extends Application {
  readonly outputs: readonly Value[];
  /** Gradient for each output; undefined where the output does not reach the loss. */
  readonly dys: readonly (Value | undefined)[];
  /** Whether the gradient of input `i` is wanted. */
  readonly needs: (i: number) => boolean;

  constructor(
    node: Node,
    known: Application["known"],
    { dys, needs }: { dys: Backward["dys"]; needs: Backward["needs"] },
  ) {
    super(node, known);
    this.outputs = node.outputs;
    this.dys = dys;
    this.needs = needs;
  }

  /** The first output. */
  get y(): Value {
    return this.outputs[0]!;
  }

  /** Gradient for the first output. */
  get dy(): Value {
    return this.dys[0]!;
  }
}

/** For each input its gradient, or a function that makes it, called only where it is wanted. */
export type Gradients = readonly (Value | (() => Value | undefined) | undefined)[];

/**
 * A gradient rule: adds the gradient with respect to each input through `g`. Inputs without one (indices, shapes) stay undefined.
 */
export type Gradient = (g: Ops, node: Backward) => Gradients;

/** The gradient rules of a family; operators left out cannot be differentiated. */
export type GradientRules<Family> = { readonly [Op in keyof Family]?: Gradient };

/** A type whose every size is a number. */
export interface StaticType extends TensorType {
  readonly shape: readonly number[];
}

/** An element of a result; undefined where it is not known. */
export type Element = Dim | undefined;

/** What a layer does; each kind has its color in drawings. */
export type Kind =
  | "conv"
  | "pointwise"
  | "linear"
  | "pool"
  | "norm"
  | "activation"
  | "softmax"
  | "join"
  | "dropout"
  | "other";

/**
 * Constant evaluation: elements of the outputs, one output after the other, from elements that are known before the graph runs;
 * `y` is the type of the first output. Undefined elements are not known.
 */
export type Evaluate = (node: Application, y: StaticType) => readonly Element[] | undefined;

/**
 * What is needed to build a graph with an ONNX operator, to count it and to draw it. Its gradient and its constant evaluation are at
 * the end of the family's file, in functions, so that bundles that need neither leave them out.
 */
export interface Operator {
  /** Types of the outputs from those of the inputs. Throws where the inputs do not fit. */
  infer(node: Application): TensorType[];
  /** Multiply-accumulate operations of one use; none if left out. */
  macs?(node: Node): number;
  /**
   * What the first input keeps: `"elements"` are only moved, reshaped or cast; `"classes"` stay the classes that a last layer
   * tells apart, whatever happens to their scores.
   */
  readonly keeps?: "elements" | "classes";
  /** Inputs that are weights, and what layers call them. */
  readonly weights?: Readonly<Record<number, string>>;
  /** How drawings color it. Default `"other"`. */
  readonly kind?: Kind;
  /** What drawings call it. Default: its name in lower case, such as "log softmax". */
  readonly title?: string;
  /** A shorter title, for use as an addition to the layer before. */
  readonly short?: string;
}

/** Input `i` of a node. Throws if it is left out. */
export function input(node: Pick<Node, "op" | "inputs">, i: number): Value {
  const value = node.inputs[i];
  check(value, () => `${node.op}: input ${i} is missing`);
  return value;
}

/** Number of elements of a shape whose every size is known. */
export function elements(shape: Shape): number {
  check(isStatic(shape), () => `counting needs known sizes, but the shape is [${shape.join(", ")}]`);
  return numel(shape);
}

/** An axis counted from the front. Throws if there is no such axis. */
export function axisOf(op: string, axis: number, rank: number): number {
  check(axis >= -rank && axis < rank, () => `${op}: axis ${axis} is outside the ${rank} axes of its input`);
  return axis < 0 ? axis + rank : axis;
}

/** Output with the type of the first input. */
export function sameAsInput({ x: { dtype, shape } }: Application): TensorType[] {
  return [{ dtype, shape }];
}
