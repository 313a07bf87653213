import { check, type DType, Graph, type Shape, type Value } from "../graph/index.ts";
import { Ops, type Target } from "../operators/index.ts";
import type { Module, Output } from "./module.ts";
import type { ModuleBuffer, Parameter } from "./parameter.ts";
import { Tensor } from "./tensor.ts";

/** One call of a module in the course of a trace. */
export interface ModuleCall {
  readonly module: Module;
  /** Name of the property that holds the module; that of its class at the root. */
  readonly name: string;
  /** Path of properties from the root, `""` there. */
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

export interface TraceOptions {
  /** Trace the form for training: dropout masks as inputs, batch statistics. Default false. */
  training?: boolean;
  /** With `training`: whether Dropout drops. Default true. */
  dropout?: boolean;
  /** Engine to spell formulas for. Default `"cpu"`. */
  target?: Target;
}

/** Follows a network through its `forward` and writes down the graph. */
export class Tracer {
  readonly graph: Graph;
  readonly ops: Ops;
  readonly training: boolean;
  readonly masks: Mask[] = [];
  /** New value of each buffer that a training step changes, by key. */
  readonly updates = new Map<string, Tensor>();
  /** Keys of buffers that count training steps. */
  readonly counters: string[] = [];

  readonly #dropout: boolean;
  readonly #keys = new Map<Parameter | ModuleBuffer, string>();
  readonly #paths = new Map<Module, string>();
  readonly #values = new Map<Parameter | ModuleBuffer, Value>();
  readonly #calls: ModuleCall[][] = [[]];

  constructor(root: Module, { training = false, dropout = true, target = "cpu" }: TraceOptions = {}) {
    this.graph = new Graph(root.type);
    this.ops = new Ops(this.graph, { target });
    this.training = training;
    this.#dropout = dropout;
    for (const [path, module] of root.modules()) this.#paths.set(module, path);
    for (const [key, stored] of [...root.parameters(), ...root.buffers()]) this.#keys.set(stored, key);
  }

  input(name: string, shape: Shape, dtype: DType = "float32"): Tensor {
    return new Tensor(this.graph.input(name, dtype, shape), this);
  }

  /** The tensor of a parameter or buffer of the network. */
  weight(stored: Parameter | ModuleBuffer): Tensor {
    let value = this.#values.get(stored);
    if (!value) {
      value = this.graph.parameter(this.key(stored), stored.dtype, stored.shape);
      this.#values.set(stored, value);
    }
    return new Tensor(value, this);
  }

  key(stored: Parameter | ModuleBuffer): string {
    const key = this.#keys.get(stored);
    check(
      key !== undefined,
      () => "a weight is used that is no property of the network or of a module in it; make it one",
    );
    return key;
  }

  /** Calls a module: its operators carry its path, and the call is written down. */
  call<Out extends Output>(module: Module<Out>, inputs: readonly Tensor[]): Out {
    const path = this.#paths.get(module);
    check(
      path !== undefined,
      () => `${module.type} is called, but is no property of the network or of a module in it; make it one`,
    );
    const scope = this.ops.scope;
    const calls: ModuleCall[] = [];
    this.ops.scope = path;
    this.#calls.push(calls);
    const output = module.forward(...inputs);
    this.#calls.pop();
    this.ops.scope = scope;
    this.#calls.at(-1)!.push({
      module,
      name: path === "" ? module.type : path.slice(path.lastIndexOf(".") + 1),
      path,
      inputs: inputs.map(({ value }) => value),
      outputs: Object.values(namedOutputs(output)).map(({ value }) => value),
      calls,
    });
    return output;
  }

  /** Calls finished outside any module: that of the root. */
  get calls(): readonly ModuleCall[] {
    return this.#calls[0]!;
  }

  /** x with elements dropped at probability p in training, by a mask that is an input; else x itself. */
  dropout(x: Tensor, p: number, module: Module): Tensor {
    if (!this.training || !module.training || !this.#dropout || p === 0) return x;
    const input = `dropout:${this.#paths.get(module) ?? ""}`;
    this.masks.push({ input, shape: x.shape, p });
    return x.mul(this.input(input, x.shape));
  }
}

/** The outputs by name; a single one is called "output". */
export function namedOutputs(output: Output): Readonly<Record<string, Tensor>> {
  return output instanceof Tensor ? { output } : output;
}

export interface Trace {
  readonly graph: Graph;
  readonly tracer: Tracer;
  readonly inputs: readonly Tensor[];
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** The call of the network itself, with those of its parts below. */
  readonly root: ModuleCall;
}

/**
 * Traces a network with inputs of these shapes: by name, or a single one, which is then called "input". Sizes may be named:
 * `trace(model, ["N", 3, 32, 32])`. No weight is allocated.
 */
export function trace(
  model: Module,
  inputs: Shape | Readonly<Record<string, Shape>>,
  options: TraceOptions = {},
): Trace {
  const tracer = new Tracer(model, options);
  const shapes = Array.isArray(inputs) ? { input: inputs as Shape } : (inputs as Readonly<Record<string, Shape>>);
  const tensors = Object.entries(shapes).map(([name, shape]) => tracer.input(name, shape));
  const outputs = namedOutputs(tracer.call(model, tensors));
  for (const [name, { value }] of Object.entries(outputs)) tracer.graph.output(name, value);
  return { graph: tracer.graph, tracer, inputs: tensors, outputs, root: tracer.calls[0]! };
}
