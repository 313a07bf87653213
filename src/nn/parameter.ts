import { asTensor, check, formatShape, numel, type TensorData } from "../graph/index.ts";
import type { Random } from "../random.ts";
import type { Tensor } from "./tensor.ts";

/** Gives the initial numbers of a tensor of this shape. */
export type Initializer = (shape: readonly number[], random: Random) => Float32Array;

/** A tensor that belongs to a module and is in its state dict. It has no numbers until they are set or initialized. */
export abstract class Stored {
  readonly shape: readonly number[];
  readonly dtype: "float32" | "int64";
  #data: TensorData | undefined;

  constructor(shape: readonly number[], dtype: "float32" | "int64" = "float32") {
    this.shape = shape;
    this.dtype = dtype;
  }

  /** Number of elements. */
  get numel(): number {
    return numel(this.shape);
  }

  /**
   * The numbers, or undefined before they are set or initialized. Setting others throws unless their type and shape are this
   * tensor's.
   */
  get data(): TensorData | undefined {
    return this.#data;
  }

  set data(given: TensorData) {
    const data = asTensor(given, "data of a parameter");
    check(
      data.dtype === this.dtype && formatShape(data.shape) === formatShape(this.shape),
      () =>
        `data of a parameter: expected ${this.dtype}${formatShape(this.shape)}, got ${data.dtype}${formatShape(data.shape)}`,
    );
    this.#data = data;
  }

  /** Initial numbers; they are returned, not set. */
  abstract draw(random: Random): TensorData;
}

/** A tensor that is trained, and how it is initialized. */
export class Parameter extends Stored {
  /** False freezes the parameter: training does not change it. */
  requiresGrad = true;
  /** Gives the initial numbers. A new one takes effect with the next `initialize`. */
  initializer: Initializer;

  constructor(shape: readonly number[], initializer: Initializer) {
    super(shape);
    this.initializer = initializer;
  }

  draw(random: Random): TensorData {
    return { dtype: "float32", shape: this.shape, data: this.initializer(this.shape, random) };
  }
}

/**
 * A weight that the network computes from others, its originals. They are trained and saved instead of it, under the keys
 * `parametrizations.weight.original0`, `…original1` and so on, as in PyTorch. See `weightNorm`.
 */
export abstract class Parametrized extends Parameter {
  /** What PyTorch calls the rule. */
  abstract readonly type: string;
  abstract readonly originals: readonly Parameter[];

  /** The weight in a trace, from its originals. */
  abstract compute(originals: readonly Tensor[]): Tensor;
}

/** A tensor that is saved with the weights but not trained, such as a running mean (a buffer in PyTorch). */
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
