import { asTensor, check, checkStateDict, describe, fitKeys, type TensorData } from "../graph/index.ts";
import { Random } from "../random.ts";
import { ModuleBuffer, Parameter, Parametrized, Stored } from "./parameter.ts";
import { printModule } from "./print.ts";
import type { ModelSpec } from "./spec.ts";
import { Tensor } from "./tensor.ts";

/** What a network returns: one tensor, or several by name. */
export type Output = Tensor | Readonly<Record<string, Tensor>>;

/**
 * Base of all layers and networks.
 *
 * Modules, parameters and buffers that are properties of a module belong to it. The path of properties that leads to a weight
 * ("block1.0.weight") is its key in the state dict, as in PyTorch.
 *
 *     class Block extends Module<Tensor> {
 *       static type = "Block"; // only needed where a minifier renames classes
 *       conv = new Conv2d(3, 8, 3, { padding: 1 });
 *       forward(x: Tensor) {
 *         return this.conv.call(x).relu();
 *       }
 *     }
 */
export abstract class Module<Out extends Output = Output> {
  #mode: boolean | undefined;

  /** What the network says about itself: its input size, auxiliary outputs, how to train it. */
  declare readonly spec?: ModelSpec;

  constructor() {
    guardForward(Object.getPrototypeOf(this));
  }

  /** Builds the module's part of the graph. Networks apply their modules with `call`, never with `forward`. */
  abstract forward(...inputs: Tensor[]): Out;

  /** Applies the module within the network that is traced. Throws for numbers: those go through `compile`. */
  call(...inputs: Tensor[]): Out {
    checkTraced(this, inputs);
    check(inputs[0], () => `${this.type}: call needs a tensor`);
    return inputs[0].tracer.call(this, inputs);
  }

  /** Name of the layer or network for people: its class's static `type`, else the name of the class. */
  get type(): string {
    const made = this.constructor as { readonly type?: string; readonly name: string };
    return (Object.hasOwn(made, "type") && made.type) || made.name;
  }

  /**
   * Whether layers that differ between training and evaluation (Dropout, BatchNorm2d) take their training form when a network is
   * traced for training. False freezes them: in a network that is trained, such parts stay in evaluation form. Default true.
   */
  get training(): boolean {
    return this.#mode ?? true;
  }

  set training(mode: boolean) {
    this.#mode = mode;
  }

  /** What `train`, `eval` or `training` were set to last; undefined as long as nobody did. */
  get mode(): boolean | undefined {
    return this.#mode;
  }

  /**
   * The modules that are properties of this one, by name. Throws when a property lists modules that are not properties
   * themselves, as their weights would be missing from the network. `children<Module<Tensor>>()` where all of them return one tensor.
   */
  *children<M extends Module = Module>(): Generator<[name: string, module: M]> {
    const own: unknown[] = Object.values(this);
    for (const [name, value] of Object.entries(this)) {
      if (value instanceof Module) yield [name, value as M];
      else if (typeof value === "object" && !(value instanceof Stored) && !ArrayBuffer.isView(value))
        check(
          Object.values(value ?? {}).every(
            (item) => !(item instanceof Module || item instanceof Stored) || own.includes(item),
          ),
          () =>
            `${this.type}: the modules or parameters in the list "${name}" would not be part of the network; use ${name} = new Sequential(...), whose modules can be called one by one too, or a property for each`,
        );
    }
  }

  /** This module and all below it, with their paths. */
  *modules(prefix = ""): Generator<[path: string, module: Module]> {
    yield [prefix, this];
    for (const [name, child] of this.children()) yield* child.modules(join(prefix, name));
  }

  /** The parameters of this module and all below it, by key. */
  *parameters(): Generator<[key: string, parameter: Parameter]> {
    for (const [key, value] of this.#stored()) if (value instanceof Parameter) yield [key, value];
  }

  /** The buffers of this module and all below it (such as running means), by key. */
  *buffers(): Generator<[key: string, buffer: ModuleBuffer]> {
    for (const [key, value] of this.#stored()) if (value instanceof ModuleBuffer) yield [key, value];
  }

  *#stored(): Generator<[key: string, stored: Parameter | ModuleBuffer, origin: string]> {
    for (const [path, module] of this.modules()) {
      const own = Object.entries(module).map(
        ([name, value]: [string, unknown]) => [name, value, join(path, name)] as const,
      );
      for (const [, value, key] of own)
        if (value instanceof Parameter && !(value instanceof Parametrized)) yield [key, value, key];
      for (const [, value, key] of own) if (value instanceof ModuleBuffer) yield [key, value, key];
      for (const [name, value, key] of own)
        if (value instanceof Parametrized)
          for (const [i, original] of value.originals.entries())
            yield [join(path, `parametrizations.${name}.original${i}`), original, key];
    }
  }

  /**
   * Sets this module and all below to training form, or with false to evaluation form. `trace` follows the network's mode unless
   * told otherwise; `fit` always trains, and `compile` always evaluates.
   */
  train(mode = true): this {
    for (const [, module] of this.modules()) module.training = mode;
    return this;
  }

  /** Sets this module and all below to evaluation form: the same as `train(false)`. */
  eval(): this {
    return this.train(false);
  }

  /** Freezes all parameters of this module and below (false), or lets them be trained again (true). */
  requiresGrad(mode: boolean): this {
    for (const [, parameter] of this.parameters()) parameter.requiresGrad = mode;
    return this;
  }

  /**
   * Initializes all weights at random; with `keep`, only those that have no numbers yet. Each weight depends only on the seed and
   * its key, so the same part has the same weights in any network.
   */
  initialize(seed = 0, { keep = false }: { keep?: boolean } = {}): this {
    for (const [, stored, origin] of this.#stored())
      if (!keep || !stored.data) stored.data = stored.draw(new Random(seed, origin));
    return this;
  }

  /** Shape of every weight by key, in PyTorch's order; no weight is allocated. */
  stateShapes(): Map<string, readonly number[]> {
    return new Map([...this.#stored()].map(([key, { shape }]) => [key, shape]));
  }

  /** Every weight by key, in PyTorch's order. Those that were never set are initialized with seed 0. */
  stateDict(): Map<string, TensorData> {
    const state = new Map<string, TensorData>();
    for (const [key, stored, origin] of this.#stored()) {
      stored.data ??= stored.draw(new Random(0, origin));
      state.set(key, stored.data);
    }
    return state;
  }

  /**
   * Loads weights, such as `readWeights` reads from a file. Throws, listing all problems together, unless keys, shapes and types
   * are those of this module; then nothing has changed. With `strict: false`, keys may be missing or unexpected.
   *
   * A prefix such as `module.` or `net.` is removed when only that makes the keys fit (see `fitKeys`). A missing count of batches,
   * as in files from before PyTorch 0.4.1, is 0; one of another type is converted, and one that nothing keeps is left out.
   */
  loadStateDict(weights: ReadonlyMap<string, TensorData>, { strict = true }: { strict?: boolean } = {}): this {
    check(
      typeof weights?.keys === "function",
      () => `${this.type}: loadStateDict takes a Map of tensors by key, but got ${describe(weights)}`,
    );
    const stored = new Map([...this.#stored()].map(([key, value]) => [key, value]));
    const fitted = fitKeys(weights, stored);
    const state = new Map(fitted.weights);
    // nothing is left out silently
    for (const key of fitted.leftOut ?? []) state.set(key, weights.get(key)!);
    for (const [key, value] of stored) {
      const norm = key.match(/^(.*\.|)num_batches_tracked$/)?.[1];
      const count = state.get(key);
      if (norm !== undefined && !count && state.has(`${norm}running_mean`))
        state.set(key, value.draw(new Random(0, key)));
      if (norm !== undefined && count?.data?.length === 1 && (count.dtype !== "int64" || count.shape.length > 0))
        state.set(key, {
          dtype: "int64",
          shape: [],
          data: BigInt64Array.of(BigInt(Math.round(Number(count.data[0])) || 0)),
        });
    }
    checkStateDict(state, stored, `${this.type}: the state dict does not fit`, strict);
    const loaded = [...stored].flatMap(([key, value]) => {
      const data = state.get(key);
      return data ? [[value, asTensor(data, key)] as const] : [];
    });
    for (const [value, data] of loaded) value.data = data;
    return this;
  }

  /** The module's settings as text, which stand in parentheses where it is printed: `kernel_size=2, stride=2`. Default: none. */
  extraRepr(): string {
    return "";
  }

  /** The module as PyTorch prints it, with all below. */
  toString(): string {
    return printModule(this);
  }

  /** What Node's console.log shows. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return String(this);
  }
}

/** Classes whose `forward` refuses what `call` exists for. */
const guarded = new WeakSet<object>();

/**
 * Makes the `forward` of a class refuse numbers, and calls that pass by `call`: the layer would be missing from the summary, and
 * its operators and costs would count for the module around it.
 */
function guardForward(prototype: Module): void {
  for (let at = prototype; at !== Module.prototype && !guarded.has(at); at = Object.getPrototypeOf(at)) {
    guarded.add(at);
    if (!Object.hasOwn(at, "forward")) continue;
    const { forward } = at;
    const value = function (this: Module, ...inputs: Tensor[]): Output {
      checkTraced(this, inputs);
      inputs[0]?.tracer.checkCalled(this);
      return forward.apply(this, inputs);
    };
    // commands tell by it how many inputs a network takes
    Object.defineProperty(value, "length", { value: forward.length });
    Object.defineProperty(at, "forward", { value, configurable: true, writable: true });
  }
}

function checkTraced(module: Module, inputs: readonly unknown[]): void {
  const other = inputs.find((input) => !(input instanceof Tensor));
  check(
    other === undefined,
    () =>
      `${module.type}: forward and call take the tensors of a trace, but got ${describe(other)}; for numbers, const predict = await compile(model, { engine })`,
  );
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
