import {
  type Attributes,
  check,
  isStatic,
  type Node,
  numel,
  type Shape,
  type TensorType,
  type Value,
} from "../graph/index.ts";
import type { Ops } from "./ops.ts";

/** A node whose outputs are not known yet. */
export interface Application {
  readonly op: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  /** Whole numbers of input `i`, where they are known before the graph runs. */
  constant(i: number): readonly number[] | undefined;
  /** Where input `i` is the output of a Shape node: the shape that it reads. */
  shapeOf(i: number): Shape | undefined;
}

/** What a gradient rule is given besides the builder. */
export interface Backward {
  readonly node: Node;
  /** Gradient of the loss with respect to each output; undefined where the output does not reach the loss. */
  readonly dy: readonly (Value | undefined)[];
  /** Whether the gradient of input `i` is wanted; a rule saves work where it is not. */
  needs(i: number): boolean;
}

export type Gradients = readonly (Value | undefined)[];

/** Everything the project knows of one ONNX operator. */
export interface Operator {
  /** Types of the outputs from those of the inputs. Throws where the inputs do not fit. */
  infer(node: Application): TensorType[];
  /**
   * Gradient with respect to each input, as nodes added through `g`. Inputs without one (indices, shapes) stay undefined.
   * An operator whose record lacks this rule is not differentiable.
   */
  gradient?(g: Ops, backward: Backward): Gradients;
  /** Multiply-accumulate operations of one application; none where it is left out. */
  macs?(node: Node): number;
}

/** Input `i`, which the operator demands. */
export function input(node: Pick<Application, "op" | "inputs">, i: number): Value {
  const value = node.inputs[i];
  check(value, () => `${node.op}: input ${i} is missing`);
  return value;
}

/** Whole numbers of input `i`, which shape inference cannot do without. */
export function constantInput(node: Application, i: number): readonly number[] {
  const numbers = node.constant(i);
  check(numbers, () => `${node.op}: input ${i} (${node.inputs[i]?.name ?? "left out"}) has to be a constant`);
  return numbers;
}

/** Number of elements of a shape whose every size is known. */
export function elements(shape: Shape): number {
  check(isStatic(shape), () => `counting needs known sizes, but the shape is [${shape.join(", ")}]`);
  return numel(shape);
}

/** Axis counted from the front. Throws where there is no such axis. */
export function axisOf(op: string, axis: number, rank: number): number {
  check(axis >= -rank && axis < rank, () => `${op}: axis ${axis} is outside the ${rank} axes of its input`);
  return axis < 0 ? axis + rank : axis;
}

/** Output with the type of the first input. */
export function sameAsInput(node: Application): TensorType[] {
  const { dtype, shape } = input(node, 0);
  return [{ dtype, shape }];
}

/** The shape that an input holds: a constant, or what a Shape node reads. */
export function shapeInput(node: Application, i: number): Shape {
  return node.constant(i) ?? node.shapeOf(i) ?? constantInput(node, i);
}
