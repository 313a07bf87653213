import { check, formatShape, listed, type TensorData } from "../graph/index.ts";
import { Random } from "../random.ts";
import { ModuleBuffer, Parameter } from "./parameter.ts";
import type { ModelSpec } from "./spec.ts";
import type { Tensor } from "./tensor.ts";

/** What a network returns: one tensor, or several by name. */
export type Output = Tensor | Readonly<Record<string, Tensor>>;

/**
 * Base of all layers and networks.
 *
 * Modules, parameters and buffers that are properties of a module belong to it; the path of properties that leads to a weight
 * ("block1.0.weight") is its key in the state dict, as in PyTorch.
 *
 *     class Block extends Module {
 *       conv = new Conv2d(3, 8, 3, { padding: 1 });
 *       forward(x: Tensor) {
 *         return this.conv.call(x).relu();
 *       }
 *     }
 */
export abstract class Module<Out extends Output = Output> {
  /** Whether layers that differ between training and use (Dropout, BatchNorm2d) are in their training form. */
  training = true;

  /** What the network says about itself: its input size, auxiliary outputs, how to train it. */
  declare readonly spec?: ModelSpec;

  abstract forward(...inputs: Tensor[]): Out;

  /** Runs the module as a part of the network that is traced. */
  call(...inputs: Tensor[]): Out {
    check(inputs[0], () => `${this.constructor.name}: call needs a tensor`);
    return inputs[0].tracer.call(this, inputs);
  }

  /** Name shown in summaries: that of the class. */
  get type(): string {
    return this.constructor.name;
  }

  *children(): Generator<[name: string, module: Module]> {
    for (const [name, value] of Object.entries(this)) if (value instanceof Module) yield [name, value];
  }

  /** This module and all below it, with their paths. */
  *modules(prefix = ""): Generator<[path: string, module: Module]> {
    yield [prefix, this];
    for (const [name, child] of this.children()) yield* child.modules(join(prefix, name));
  }

  *parameters(): Generator<[key: string, parameter: Parameter]> {
    for (const [key, value] of this.#stored()) if (value instanceof Parameter) yield [key, value];
  }

  *buffers(): Generator<[key: string, buffer: ModuleBuffer]> {
    for (const [key, value] of this.#stored()) if (value instanceof ModuleBuffer) yield [key, value];
  }

  *#stored(): Generator<[key: string, stored: Parameter | ModuleBuffer]> {
    for (const [path, module] of this.modules()) {
      const own = Object.entries(module);
      for (const [name, value] of own) if (value instanceof Parameter) yield [join(path, name), value];
      for (const [name, value] of own) if (value instanceof ModuleBuffer) yield [join(path, name), value];
    }
  }

  /** Puts this module and all below into training form, or out of it. */
  train(mode = true): this {
    for (const [, module] of this.modules()) module.training = mode;
    return this;
  }

  eval(): this {
    return this.train(false);
  }

  /** Freezes all parameters below (false), or lets them be trained again. */
  requiresGrad(mode: boolean): this {
    for (const [, parameter] of this.parameters()) parameter.requiresGrad = mode;
    return this;
  }

  /**
   * Draws all weights anew, or with `keep` only those that have no numbers yet. Each depends on the seed and its key alone, so
   * parts of a network can be compared.
   */
  initialize(seed = 0, { keep = false }: { keep?: boolean } = {}): this {
    for (const [key, stored] of this.#stored())
      if (!keep || !stored.data) stored.data = stored.draw(new Random(seed, key));
    return this;
  }

  /** Shape of every weight by key, in PyTorch's order; no weight is allocated. */
  stateShapes(): Map<string, readonly number[]> {
    return new Map([...this.#stored()].map(([key, { shape }]) => [key, shape]));
  }

  /** Every weight by key, in PyTorch's order. Those never set are drawn with seed 0. */
  stateDict(): Map<string, TensorData> {
    const state = new Map<string, TensorData>();
    for (const [key, stored] of this.#stored()) {
      stored.data ??= stored.draw(new Random(0, key));
      state.set(key, stored.data);
    }
    return state;
  }

  /**
   * Takes weights over. Throws, listing all that is wrong together, unless the keys and shapes are those of this module. Batches
   * that are not counted, as in files from before PyTorch 0.4.1, are none, as in PyTorch.
   */
  loadStateDict(weights: ReadonlyMap<string, TensorData>, { strict = true }: { strict?: boolean } = {}): this {
    const stored = new Map(this.#stored());
    const state = new Map(weights);
    for (const [key, value] of stored) {
      const norm = key.match(/^(.*\.|)num_batches_tracked$/)?.[1];
      if (norm !== undefined && !state.has(key) && state.has(`${norm}running_mean`))
        state.set(key, value.draw(new Random(0, key)));
    }
    const missing = [...stored.keys()].filter((key) => !state.has(key));
    const unexpected = [...state.keys()].filter((key) => !stored.has(key));
    const misshapen = [...stored].flatMap(([key, { dtype, shape }]) => {
      const given = state.get(key);
      if (!given || (given.dtype === dtype && formatShape(given.shape) === formatShape(shape))) return [];
      return [`${key} (${given.dtype}${formatShape(given.shape)} instead of ${dtype}${formatShape(shape)})`];
    });
    const problems = [
      ...(strict && missing.length > 0 ? [`missing: ${listed(missing)}`] : []),
      ...(strict && unexpected.length > 0 ? [`unexpected: ${listed(unexpected)}`] : []),
      ...(misshapen.length > 0 ? [`of another shape or type: ${listed(misshapen)}`] : []),
    ];
    check(problems.length === 0, () => `${this.type}: the state dict does not fit\n  ${problems.join("\n  ")}`);
    for (const [key, value] of stored) {
      const data = state.get(key);
      if (data) value.data = data;
    }
    return this;
  }
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
