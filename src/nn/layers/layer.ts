import { Module } from "../module.ts";
import type { Initializer } from "../parameter.ts";
import type { Tensor } from "../tensor.ts";

/** Base of layers with one input and one output. */
export abstract class Layer extends Module<Tensor> {}

/** How weights are initialized. Default: as in PyTorch, uniform in ±1/√fan-in. */
export interface InitOptions {
  /** Initial weight; see `init`. */
  weight?: Initializer;
  /** Initial bias. */
  biasInit?: Initializer;
}
