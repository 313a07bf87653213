import type { TensorData } from "../graph/index.ts";
import { ensure, quote } from "./error.ts";

/** The weights of a model by their names, to be found by layer. */
export class LayerTensors {
  readonly #tensors: ReadonlyMap<string, TensorData>;
  /** Names by their last part. */
  readonly #ends = new Map<string, string[]>();

  constructor(tensors: ReadonlyMap<string, TensorData>) {
    this.#tensors = tensors;
    for (const name of tensors.keys()) {
      const end = endOf(name);
      const others = this.#ends.get(end);
      if (others) others.push(name);
      else this.#ends.set(end, [name]);
    }
  }

  /**
   * A weight of a layer. Its name is "layer/weight"; a model around the layer may stand before it, and a part of the layer between.
   * Throws a TfjsError if it is not there.
   */
  get(layer: string, weight: string): TensorData {
    const found = this.find(layer, weight);
    ensure(found, () => `there is no weight ${quote(`${layer}/${weight}`)} in the files of weights`);
    return found;
  }

  /** The weight, where a layer may be without it. */
  find(layer: string, weight: string): TensorData | undefined {
    const exact = this.#tensors.get(`${layer}/${weight}`);
    if (exact) return exact;
    const near = (this.#ends.get(weight) ?? []).filter((name) => `/${name}`.includes(`/${layer}/`));
    ensure(
      near.length <= 1,
      () => `the weight ${quote(`${layer}/${weight}`)} may be any of ${near.slice(0, 4).map(quote).join(", ")}`,
    );
    return near[0] === undefined ? undefined : this.#tensors.get(near[0]);
  }
}

/** The last part, without TensorFlow's number of an output. */
const endOf = (name: string): string => name.slice(name.lastIndexOf("/") + 1).replace(/:\d+$/, "");
