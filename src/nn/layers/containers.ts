import { check, describe } from "../../graph/index.ts";
import { Module } from "../module.ts";
import type { Tensor } from "../tensor.ts";
import { Layer } from "./layer.ts";

/**
 * Applies modules one after the other, given one by one or as one list; their keys are "0", "1", … Networks can also call its
 * modules themselves, as `this.layers[0].call(x)`.
 *
 *     new Sequential(new Conv2d(3, 8, 3), new ReLU())
 */
export class Sequential extends Layer {
  static readonly type: string = "Sequential";
  readonly [index: number]: Module<Tensor>;

  constructor(...modules: (Module<Tensor> | readonly Module<Tensor>[])[]) {
    super();
    const all = modules.flat();
    for (const module of all)
      check(module instanceof Module, () => `Sequential: takes modules, but got ${describe(module)}`);
    Object.assign(this, all);
  }

  forward(x: Tensor): Tensor {
    let y = x;
    for (const [, module] of this.children<Module<Tensor>>()) y = module.call(y);
    return y;
  }
}
