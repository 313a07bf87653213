import { check, checkOptions, describe, formatShape, numel, type TensorData } from "../graph/index.ts";
import type { Module } from "./module.ts";
import { Parameter, Parametrized } from "./parameter.ts";
import type { Tensor } from "./tensor.ts";

/** Options of `weightNorm`. */
export interface WeightNormOptions {
  /** Property that holds the weight. Default "weight". */
  name?: string;
  /** Axis whose slices are normalized each for itself, or null for the whole weight. Default 0, the output channels. */
  dim?: number | null;
}

/**
 * Trains a weight's length and direction separately (Salimans and Kingma 2016), as PyTorch's
 * `torch.nn.utils.parametrizations.weight_norm`. Returns the module.
 *
 *     weight = g·v / ‖v‖, with a norm for each slice along `dim`
 *
 * In the state dict, g [O, 1, …] and v [O, C, …] are `parametrizations.weight.original0` and `original1`. The weight stays as it
 * was, and starts as it would without. Throws when the module has no such weight, or has it normalized already.
 *
 *     for (const [, layer] of model.modules()) if (layer instanceof Conv2d) weightNorm(layer);
 */
export function weightNorm<M extends Module>(module: M, options: WeightNormOptions = {}): M {
  checkOptions("weightNorm", options, ["name", "dim"]);
  const { name = "weight", dim = 0 } = options;
  const weight = parameterOf("weightNorm", module, name);
  check(
    !(weight instanceof Parametrized),
    () => `weightNorm: "${name}" of ${module.type} is computed from others already; see removeParametrizations`,
  );
  check(
    dim === null || (Number.isInteger(dim) && dim >= 0 && dim < weight.shape.length),
    () => `weightNorm: dim has to be an axis of ${formatShape(weight.shape)} or null, but is ${describe(dim)}`,
  );
  return Object.assign(module, { [name]: new NormalizedWeight(weight, dim) });
}

/**
 * Makes a weight that `weightNorm` split a plain one again, with the numbers that it has now. Returns the module. Throws when it
 * is a plain one.
 */
export function removeParametrizations<M extends Module>(module: M, name = "weight"): M {
  const weight = parameterOf("removeParametrizations", module, name);
  check(weight instanceof Parametrized, () => `removeParametrizations: "${name}" of ${module.type} is a plain weight`);
  const plain = new Parameter(weight.shape, weight.initializer);
  plain.requiresGrad = weight.requiresGrad;
  if (weight.data) plain.data = weight.data;
  return Object.assign(module, { [name]: plain });
}

function parameterOf(who: string, module: Module, name: string): Parameter {
  const weight: unknown = Object.entries(module).find(([key]) => key === name)?.[1];
  check(weight instanceof Parameter, () => `${who}: ${module.type} has no weight "${name}"`);
  return weight;
}

/** g·v / ‖v‖. Its numbers and settings can be read and set like those of any weight. */
class NormalizedWeight extends Parametrized {
  readonly type = "_WeightNorm";
  readonly originals: readonly [length: Parameter, direction: Parameter];
  readonly #dim: number | null;

  constructor(direction: Parameter, dim: number | null) {
    const { shape, data, requiresGrad } = direction;
    super(shape, direction.initializer);
    this.#dim = dim;
    // the length of the initial weight, which both draw from the same random numbers
    const length = new Parameter(dim === null ? [] : shape.map((size, i) => (i === dim ? size : 1)), (_, random) =>
      this.#norms(direction.initializer(shape, random)),
    );
    this.originals = [length, direction];
    const both = (mode: boolean) => {
      length.requiresGrad = mode;
      direction.requiresGrad = mode;
    };
    Object.defineProperties(this, {
      requiresGrad: { get: () => length.requiresGrad || direction.requiresGrad, set: both },
      initializer: {
        get: () => direction.initializer,
        set: (value) => Object.assign(direction, { initializer: value }),
      },
    });
    both(requiresGrad);
    if (data) this.data = data;
  }

  override get data(): TensorData | undefined {
    const [length, direction] = this.originals.map(({ data }) => data?.data as Float32Array | undefined);
    if (!length || !direction) return undefined;
    const norms = this.#norms(direction);
    const data = direction.map((value, i) => value * (length[this.#slice(i)]! / norms[this.#slice(i)]!));
    return { dtype: "float32", shape: this.shape, data };
  }

  override set data(given: TensorData) {
    const [length, direction] = this.originals;
    direction.data = given;
    const data = this.#norms(direction.data!.data as Float32Array);
    length.data = { dtype: "float32", shape: length.shape, data };
  }

  compute([length, direction]: readonly [Tensor, Tensor]): Tensor {
    const axes = this.shape.map((_, axis) => axis).filter((axis) => axis !== this.#dim);
    const squares = direction.mul(direction);
    const norm = (axes.length > 0 ? squares.sum(axes, this.#dim !== null) : squares).sqrt();
    return direction.mul(length.div(norm));
  }

  /** Of which slice the i-th element is. */
  #slice(i: number): number {
    if (this.#dim === null) return 0;
    return Math.floor(i / numel(this.shape.slice(this.#dim + 1))) % this.shape[this.#dim]!;
  }

  #norms(values: Float32Array): Float32Array {
    const sums = new Float64Array(this.#dim === null ? 1 : this.shape[this.#dim]!);
    for (const [i, value] of values.entries()) sums[this.#slice(i)]! += value * value;
    return Float32Array.from(sums, Math.sqrt);
  }
}
