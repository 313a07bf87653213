import { check, type DType, describe, Graph, type Shape, type Value } from "../graph/index.ts";
import { Ops, type Target } from "../operators/index.ts";
import type { Module, Output } from "./module.ts";
import { type ModuleBuffer, type Parameter, Parametrized } from "./parameter.ts";
import { Tensor } from "./tensor.ts";

/** One call of a module during a trace. */
export interface ModuleCall {
  readonly module: Module;
  /** Name of the property that holds the module; its type at the root. */
  readonly name: string;
  /** Path of properties from the root, where it is `""`. */
  readonly path: string;
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly calls: readonly ModuleCall[];
}

/** A dropout mask that the graph takes as an input: 0 with probability p, else 1 / (1 − p). */
export interface Mask {
  /** Name of the graph's input. */
  readonly input: string;
  readonly shape: Shape;
  readonly p: number;
}

/** Options of `trace`. */
export interface TraceOptions {
  /**
   * Trace the training form: dropout masks as inputs, statistics of the batch. Default: true after `model.train()`, else false
   * (for a `Tracer` always false).
   */
  training?: boolean;
  /** Whether Dropout drops in the training form. Default true. */
  dropout?: boolean;
  /** Engine that formulas are written for. Default `"cpu"`. */
  target?: Target;
}

/** Options of `Tracer.dropout`. */
export interface DropoutOptions {
  /** Whose mode counts. Default: the module whose `forward` runs. */
  readonly module?: Module;
  /** Shape of the mask, which broadcasts to x. Default: that of x. */
  readonly shape?: Shape;
}

/** Builds the graph of a network while its `forward` runs. */
export class Tracer {
  readonly graph: Graph;
  readonly ops: Ops;
  readonly training: boolean;
  readonly masks: Mask[] = [];
  /** The new value of each buffer that a training step changes, by key. */
  readonly updates = new Map<string, Tensor>();
  /** Keys of buffers that count training steps. */
  readonly counters: string[] = [];

  readonly #dropout: boolean;
  readonly #keys = new Map<Parameter | ModuleBuffer, string>();
  readonly #paths = new Map<Module, string>();
  readonly #values = new Map<Parameter | ModuleBuffer, Value>();
  readonly #calls: ModuleCall[][] = [[]];
  /** Modules whose forward is running, innermost last. */
  readonly #running: Module[] = [];
  /** Errors whose message names the module already. */
  readonly #located = new WeakSet<Error>();

  constructor(root: Module, { training = false, dropout = true, target = "cpu" }: TraceOptions = {}) {
    this.graph = new Graph(root.type);
    this.ops = new Ops(this.graph, { target });
    this.training = training;
    this.#dropout = dropout;
    for (const [path, module] of root.modules()) this.#paths.set(module, path);
    for (const [key, stored] of [...root.parameters(), ...root.buffers()]) this.#keys.set(stored, key);
  }

  /** Adds an input of the graph. */
  input(name: string, shape: Shape, dtype: DType = "float32"): Tensor {
    return new Tensor(this.graph.input(name, dtype, shape), this);
  }

  /** A parameter or buffer of the network as a tensor. Throws when it is not one of its properties. */
  weight(stored: Parameter | ModuleBuffer): Tensor {
    let value = this.#values.get(stored);
    if (!value) {
      value =
        stored instanceof Parametrized
          ? stored.compute(stored.originals.map((original) => this.weight(original))).value
          : this.graph.parameter(this.key(stored), stored.dtype, stored.shape);
      this.#values.set(stored, value);
    }
    return new Tensor(value, this);
  }

  /** Key of a parameter or buffer in the state dict. */
  key(stored: Parameter | ModuleBuffer): string {
    const key = this.#keys.get(stored);
    check(
      key !== undefined,
      () => "uses a parameter that is not a property of the network or of a module in it; make it one",
    );
    return key;
  }

  /**
   * Calls a module: its operators carry its path, and the call is recorded. The message of an error starts with the path of the
   * innermost module, such as `features.3 (Conv2d): `.
   */
  call<Out extends Output>(module: Module<Out>, inputs: readonly Tensor[]): Out {
    const path = this.#paths.get(module);
    check(
      path !== undefined,
      () => `${module.type} is called, but is not a property of the network or of a module in it; make it one`,
    );
    const scope = this.ops.scope;
    const calls: ModuleCall[] = [];
    check(typeof module.forward === "function", () => `${module.type} has no forward(x), which says what it computes`);
    this.ops.scope = path;
    this.#calls.push(calls);
    this.#running.push(module);
    let output: Out;
    let outputs: readonly Tensor[];
    try {
      output = module.forward(...inputs);
      outputs = Object.values(namedOutputs(output));
    } catch (error) {
      throw this.#locate(error, path, module.type);
    } finally {
      this.#running.pop();
      this.#calls.pop();
      this.ops.scope = scope;
    }
    this.#calls.at(-1)!.push({
      module,
      name: path === "" ? module.type : path.slice(path.lastIndexOf(".") + 1),
      path,
      inputs: inputs.map(({ value }) => value),
      outputs: outputs.map(({ value }) => value),
      calls,
    });
    return output;
  }

  /** The error, with the module named once in its message, and the remedy for a layer that is called like a function. */
  #locate(error: unknown, path: string, type: string): unknown {
    if (!(error instanceof Error) || this.#located.has(error)) return error;
    this.#located.add(error);
    const { message, stack } = error;
    // a layer's own message starts with its name or that of its function, such as "conv2d: " or "batchNorm: "
    const [, who = ""] = /^(\w+): /.exec(message) ?? [];
    const own = who === type || (/^[a-z]/.test(who) && type.toLowerCase().startsWith(who.toLowerCase()));
    const rest = own ? message.slice(who.length + 2) : message;
    const called = error instanceof TypeError && /\bthis\.[\w.[\]]+ is not a function/.test(message);
    const remedy = called ? "; apply a layer with call, as in this.conv.call(x)" : "";
    error.message = `${path === "" ? type : `${path} (${type})`}: ${rest}${remedy}`;
    if (stack) error.stack = stack.replace(message, () => error.message);
    return error;
  }

  /** Throws when the forward of a module of this network runs without `call`. */
  checkCalled(module: Module): void {
    const path = this.#paths.get(module);
    check(
      path === undefined || this.#running.at(-1) === module,
      () =>
        `${path || "the network"} (${module.type}): forward is called directly, so the layer would be missing from the summary; use call instead of forward`,
    );
  }

  /** Finished calls outside any other: that of the root. */
  get calls(): readonly ModuleCall[] {
    return this.#calls[0]!;
  }

  /**
   * In training, x times a mask that is an input of the graph (see `Mask`), of a shape that broadcasts to x; else x itself.
   * Training is what the module whose `forward` runs is in, or another one.
   */
  dropout(x: Tensor, p: number, { module = this.#running.at(-1), shape = x.shape }: DropoutOptions = {}): Tensor {
    if (!this.training || module?.training === false || !this.#dropout || p === 0) return x;
    const layer = `dropout:${(module && this.#paths.get(module)) ?? ""}`;
    // a layer may drop several times
    const times = this.masks.filter(({ input }) => input.split("#")[0] === layer).length;
    const input = times === 0 ? layer : `${layer}#${times + 1}`;
    this.masks.push({ input, shape, p });
    return x.mul(this.input(input, shape));
  }
}

/** The outputs by name; a single one is called "output". Throws when `forward` returned anything else than tensors. */
export function namedOutputs(output: Output): Readonly<Record<string, Tensor>> {
  const outputs = output instanceof Tensor ? { output } : output;
  check(
    typeof outputs === "object" && outputs && Object.values(outputs).every((value) => value instanceof Tensor),
    () => `forward has to return a tensor, or an object of tensors by name, but returned ${describe(output)}`,
  );
  return outputs;
}

/** A network that was traced. */
export interface Trace {
  readonly graph: Graph;
  readonly tracer: Tracer;
  readonly inputs: readonly Tensor[];
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** The call of the network, which holds those of its parts. */
  readonly root: ModuleCall;
}

/**
 * Traces a network: runs its `forward` with tensors that have shapes and no numbers, and returns the graph. `inputs` are shapes
 * by name, or one shape, whose input is then called "input". A size may be a name: `trace(model, ["N", 3, 32, 32])`. No weights
 * are allocated. Throws, naming the layer's path, where shapes do not fit.
 */
export function trace(
  model: Module,
  inputs: Shape | Readonly<Record<string, Shape>>,
  options: TraceOptions = {},
): Trace {
  const tracer = new Tracer(model, { ...options, training: options.training ?? model.mode === true });
  const shapes = Array.isArray(inputs) ? { input: inputs as Shape } : (inputs as Readonly<Record<string, Shape>>);
  const tensors = Object.entries(shapes).map(([name, shape]) => tracer.input(name, shape));
  const outputs = namedOutputs(tracer.call(model, tensors));
  for (const [name, { value }] of Object.entries(outputs)) tracer.graph.output(name, value);
  return { graph: tracer.graph, tracer, inputs: tensors, outputs, root: tracer.calls[0]! };
}
