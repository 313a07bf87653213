import {
  attribute,
  check,
  type Graph,
  type Node,
  numel,
  type Shape,
  type TensorData,
  toFloat32,
  type Value,
} from "../graph/index.ts";
import {
  BatchNorm2d,
  type Initializer,
  init,
  labelScores,
  type ModelSpec,
  Module,
  ModuleBuffer,
  type Output,
  outputForm,
  Parameter,
  Tensor,
  trace,
} from "../nn/index.ts";
import { prune } from "../passes/index.ts";
import { type DecodeOptions, decode, type OnnxModel } from "./decode.ts";
import { findHead } from "./head.ts";
import { addProperty, Borders, contents, type OnnxPart, Replay } from "./replay.ts";
import { type Home, structureOf } from "./structure.ts";

/** Options of `onnxModule`. */
export interface OnnxModuleOptions {
  /** What the network is called in summaries. Default: the name of its graph. */
  name?: string;
}

/**
 * A network from the bytes of an .onnx file, to summarize, draw, evaluate and train like any other.
 *
 *     const model = onnxModule(await readFile("resnet18.onnx")).withClasses(10);
 *
 * Throws an OnnxError if the file is damaged or not supported. Warns when the network is first traced for training if the file's
 * exporter folded batch normalization into the convolutions.
 */
export function onnxModule(
  bytes: Uint8Array,
  { name, ...options }: OnnxModuleOptions & Omit<DecodeOptions, "fold" | "batch"> = {},
): OnnxModule {
  return new OnnxModule(decode(bytes, { ...options, fold: false }), name === undefined ? {} : { name });
}

/**
 * A network that was read from an .onnx file; decode it with `fold: false`, so that it takes images of any size.
 *
 * Weights keep their names if those are paths, as PyTorch writes them; others get the path of the layer that reads them.
 * Batch normalization and dropout follow `train` and `eval`, whatever form they have in the file. Real numbers are float32.
 */
export class OnnxModule extends Module<Output> {
  readonly #replay: Replay;
  readonly #items: readonly (Node | OnnxPart)[];
  /** Batch normalizations that the file no longer has, until a warning told so. */
  #foldedNorms: number;
  #isNewHead = false;
  readonly #places = new Map<Value, { readonly holder: Module; readonly property: string }>();

  constructor(
    { graph: given, weights, foldedNorms = 0 }: OnnxModel,
    { name = given.name || "ONNX" }: OnnxModuleOptions = {},
  ) {
    super();
    this.#foldedNorms = foldedNorms;
    const graph = prune(given);
    const [, inChannels, height, width] = graph.inputs[0]?.shape ?? [];
    // a size that the file fixes is one that the network was made for
    if (typeof inChannels === "number" && typeof height === "number" && height === width)
      Object.assign(this, { spec: { inputSize: height, inChannels } satisfies ModelSpec });
    const constants = new Map([...graph.constants].map(([value, data]) => [value, toFloat32(data)]));
    this.#replay = new Replay(graph, constants, name);
    const { root, homes } = structureOf(graph);
    this.#items = contents(this, this.#replay, root, new Borders(graph));
    const kinds = weightKinds(graph);
    // in the order of the layers, as PyTorch has it
    for (const value of new Set([...homes.keys(), ...graph.parameters])) {
      const data = weights.get(value.name);
      check(data, () => `OnnxModule: the parameter "${value.name}" has no numbers`);
      this.#store(value, homes.get(value) ?? { path: "", property: value.name }, kinds.get(value), toFloat32(data));
    }
    for (const node of graph.nodes) if (node.op === "BatchNormalization") this.#addNorm(node);
  }

  override get type(): string {
    return this.#replay.name;
  }

  /** Shapes of the inputs by name, as the file has them; `forward` takes others too. */
  get inputs(): ReadonlyMap<string, Shape> {
    return new Map(this.#replay.graph.inputs.map(({ name, shape }) => [name, shape]));
  }

  /** From the key of each weight to its name in the file. */
  get sources(): ReadonlyMap<string, string> {
    const names = new Map([...this.#replay.stored].map(([{ name }, stored]) => [stored, name]));
    const all = [...this.parameters(), ...this.buffers()];
    return new Map(all.flatMap(([key, stored]) => (names.has(stored) ? [[key, names.get(stored)!] as const] : [])));
  }

  /** Takes the inputs of the file's graph, in their order. */
  forward(...inputs: Tensor[]): Output {
    if (inputs[0]?.tracer.training && this.#foldedNorms > 0) this.#warnOfFolding();
    const outputs = this.#replay.forward(inputs, this.#items, this);
    if (!this.#isNewHead) return outputs;
    if (outputs instanceof Tensor) return withoutSigmoid(outputs);
    return Object.fromEntries(Object.entries(outputs).map(([name, x]) => [name, withoutSigmoid(x)]));
  }

  /**
   * Gives the network a new last layer for another number of classes, to be fine-tuned. Its weights are initialized at random, as
   * PyTorch does it, and keep their keys. If there are several outputs, each gets a new last layer. A sigmoid after it is left out:
   * the outputs are scores, of classes or of labels.
   */
  replaceHead(numClasses: number): this {
    const { graph, stored, classes: changed } = this.#replay;
    for (const [name, output] of graph.outputs) {
      const { classes, weight, biases, after } = findHead(graph, name, output);
      const bound = 1 / Math.sqrt(numel(weight.value.shape as number[]) / classes);
      for (const { value, axis } of [weight, ...biases]) {
        const shape = value.shape.map((dim, i) => (i === axis ? numClasses : dim)) as number[];
        const parameter = new Parameter(shape, init.uniform(-bound, bound));
        const { holder, property } = this.#places.get(value)!;
        Object.assign(holder, { [property]: parameter });
        stored.set(value, parameter);
      }
      for (const node of after) changed.set(node, { from: classes, to: numClasses });
    }
    this.#isNewHead = true;
    return this;
  }

  /** `replaceHead`, unless the network has that many outputs already. */
  withClasses(numClasses: number): this {
    const [shape = ["N", 3, 224, 224]] = this.inputs.values();
    const seen = shape.map((dim, axis) => (typeof dim === "number" ? dim : axis === 0 ? 1 : 224));
    const [scores] = Object.values(trace(this, seen, { training: false }).outputs);
    return scores?.shape[1] === numClasses ? this : this.replaceHead(numClasses);
  }

  #warnOfFolding(): void {
    console.warn(
      `${this.#replay.name}: ${this.#foldedNorms} batch normalizations were folded into convolutions when this file was exported; training runs without them and learns less well. Export it again with torch.onnx.export(…, optimize=False), or with dynamo=False and training=torch.onnx.TrainingMode.PRESERVE`,
    );
    this.#foldedNorms = 0;
  }

  #store(value: Value, { path, property }: Home, kind: WeightKind | undefined, data: TensorData): void {
    const { dtype, shape } = data;
    check(
      dtype === "float32" || dtype === "int64",
      () => `OnnxModule: the parameter "${value.name}" is ${dtype}; only real numbers and int64 are supported`,
    );
    const stored =
      dtype === "float32" && kind?.fill === undefined
        ? new Parameter(shape, kind?.initializer ?? init.zeros)
        : new ModuleBuffer(shape, kind?.fill ?? 0, dtype);
    stored.data = data;
    this.#replay.stored.set(value, stored);
    const holder = this.#moduleAt(path);
    this.#places.set(value, { holder, property: addProperty(holder, property, stored) });
  }

  /** The module at a path; made where there is none, since weights may belong to a module that computes nothing by itself. */
  #moduleAt(path: string): Module {
    let module: Module = this;
    for (const name of path === "" ? [] : path.split(".")) {
      const found = new Map(module.children()).get(name);
      const next = found ?? new Weights();
      if (!found) addProperty(module, name, next);
      module = next;
    }
    return module;
  }

  /** Lets a batch normalization do in training what PyTorch's does. */
  #addNorm(node: Node): void {
    const [weight, bias, mean, variance] = node.inputs.slice(1).map((value) => value && this.#replay.stored.get(value));
    if (!(weight instanceof Parameter && bias instanceof Parameter)) return;
    if (!(mean instanceof ModuleBuffer && variance instanceof ModuleBuffer)) return;
    const eps = attribute.float(node, "epsilon", 1e-5);
    // the file has the share that is kept, as a float32; its distance from 1 has seven digits of meaning
    const momentum = Number((1 - attribute.float(node, "momentum", 0.9)).toFixed(7));
    const norm = new BatchNorm2d(weight.numel, { eps, momentum });
    Object.assign(norm, { weight, bias, running_mean: mean, running_var: variance });
    this.#replay.norms.set(node, norm);
    // PyTorch counts the training batches, its exporter leaves the count out
    addProperty(this.#places.get(node.inputs[3]!)!.holder, "num_batches_tracked", norm.num_batches_tracked!);
  }
}

/** Holds weights whose names are below a path at which the graph computes nothing. */
class Weights extends Module<Tensor> {
  static readonly type: string = "Weights";

  forward(): Tensor {
    throw new Error("this part of an imported network holds weights only; it cannot be called");
  }
}

interface WeightKind {
  readonly initializer?: Initializer;
  /** First value of a buffer. */
  readonly fill?: number;
}

/** How weights are initialized if the network is trained from the start: as PyTorch does it for such layers. */
function weightKinds(graph: Graph): Map<Value, WeightKind> {
  const kinds = new Map<Value, WeightKind>();
  const set = (value: Value | undefined, kind: WeightKind) => value && !kinds.has(value) && kinds.set(value, kind);
  for (const { op, inputs } of graph.nodes) {
    const weight = inputs[1];
    if (op.endsWith("Normalization")) {
      set(weight, { initializer: init.ones });
      set(inputs[3], { fill: 0 });
      set(inputs[4], { fill: 1 });
    } else if (weight && ["Conv", "ConvTranspose", "Gemm", "MatMul"].includes(op)) {
      set(weight, { initializer: init.defaultWeight });
      if (weight.shape.every((dim) => typeof dim === "number")) {
        set(inputs[2], { initializer: init.defaultBias(weight.shape as number[]) });
      }
    }
  }
  return kinds;
}

/** Scores [N, K] before a sigmoid; other outputs as they are. */
const withoutSigmoid = (x: Tensor): Tensor => (outputForm(x).form === "sigmoid" ? labelScores(x) : x);
