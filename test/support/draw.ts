/** Random tensors of tests: a function of the seed and of the order in which they are asked for. */
import { numel, type TensorData, tensor } from "../../src/graph/index.ts";
import { Random } from "../../src/random.ts";

export class Draw {
  readonly #seed: number;
  #count = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Uniform in [low, high). */
  uniform(shape: readonly number[], low = -1, high = 1): TensorData<"float32"> {
    const random = this.#next();
    return this.#fill(shape, () => low + (high - low) * random.uniform());
  }

  /** Whole numbers from low to high: many are equal. */
  integers(shape: readonly number[], low = -2, high = 2): TensorData<"float32"> {
    const random = this.#next();
    return this.#fill(shape, () => low + random.integer(high - low + 1));
  }

  /** All different, at least 0.1 apart and 0.05 away from 0, so that a small step crosses no kink. */
  spaced(shape: readonly number[]): TensorData<"float32"> {
    const order = this.#next().permutation(numel(shape));
    const middle = Math.floor(order.length / 2);
    return this.#fill(shape, (i) => (order[i]! - middle) / 10 + 0.05);
  }

  /** Uniform in ±[low, high). */
  awayFromZero(shape: readonly number[], low = 0.5, high = 2): TensorData<"float32"> {
    const random = this.#next();
    return this.#fill(shape, () => (random.bits() % 2 === 0 ? 1 : -1) * (low + (high - low) * random.uniform()));
  }

  booleans(shape: readonly number[]): TensorData<"bool"> {
    const random = this.#next();
    return tensor(
      "bool",
      shape,
      Uint8Array.from({ length: numel(shape) }, () => random.integer(2)),
    );
  }

  #next(): Random {
    return new Random(this.#seed, this.#count++);
  }

  #fill(shape: readonly number[], next: (i: number) => number): TensorData<"float32"> {
    return tensor(
      "float32",
      shape,
      Float32Array.from({ length: numel(shape) }, (_, i) => next(i)),
    );
  }
}
