import { check, formatShape, numel, type TensorData } from "../graph/index.ts";
import type { Random } from "../random.ts";

/** Draws the first numbers of a tensor of this shape. */
export type Initializer = (shape: readonly number[], random: Random) => Float32Array;

/** A tensor that belongs to a module and stands in its state dict. It has no numbers until they are set or drawn. */
abstract class Stored {
  readonly shape: readonly number[];
  readonly dtype: "float32" | "int64";
  #data: TensorData | undefined;

  constructor(shape: readonly number[], dtype: "float32" | "int64" = "float32") {
    this.shape = shape;
    this.dtype = dtype;
  }

  get numel(): number {
    return numel(this.shape);
  }

  /** The numbers, or undefined before they are set or drawn. */
  get data(): TensorData | undefined {
    return this.#data;
  }

  set data(data: TensorData) {
    check(
      data.dtype === this.dtype && formatShape(data.shape) === formatShape(this.shape),
      () => `expected ${this.dtype}${formatShape(this.shape)}, got ${data.dtype}${formatShape(data.shape)}`,
    );
    this.#data = data;
  }

  abstract draw(random: Random): TensorData;
}

/** A tensor that training changes, with the way in which its first numbers are drawn. */
export class Parameter extends Stored {
  /** False freezes the parameter: training leaves it alone. */
  requiresGrad = true;
  /** Draws the first numbers; another takes effect with the next `initialize`. */
  initializer: Initializer;

  constructor(shape: readonly number[], initializer: Initializer) {
    super(shape);
    this.initializer = initializer;
  }

  draw(random: Random): TensorData {
    return { dtype: "float32", shape: this.shape, data: this.initializer(this.shape, random) };
  }
}

/** A tensor that belongs to the state but is not trained, such as a running mean (PyTorch's buffer). */
export class ModuleBuffer extends Stored {
  readonly fill: number;

  constructor(shape: readonly number[], fill: number, dtype: "float32" | "int64" = "float32") {
    super(shape, dtype);
    this.fill = fill;
  }

  draw(): TensorData {
    const { shape, fill } = this;
    return this.dtype === "int64"
      ? { dtype: "int64", shape, data: new BigInt64Array(this.numel).fill(BigInt(fill)) }
      : { dtype: "float32", shape, data: new Float32Array(this.numel).fill(fill) };
  }
}
