import {
  check,
  checkOptions,
  formatShape,
  type Graph,
  numel,
  type TensorData,
  tensor,
  type Value,
} from "../graph/index.ts";
import { type Module, mainOutput, outputForm, type Trace, trace } from "../nn/index.ts";
import { differentiate, prune } from "../passes/index.ts";
import type { Executable } from "../runtime/index.ts";
import { climb, noise, rolled, shifts } from "./ascent.ts";
import type {
  ClassMap,
  ClassOptions,
  GradCamOptions,
  InsideOptions,
  OcclusionOptions,
  RespondOptions,
  Seen,
} from "./inside-options.ts";
import { hasMaps, lastMaps, layerValue, layerValues, rawScores } from "./layers.ts";
import { type Numbers, numbers } from "./numbers.ts";
import { cover, meanDrops, windowsOf } from "./occlusion.ts";

type Floats = TensorData<"float32">;

/** A graph that is ready to run, with the names of its layers. */
interface Compiled {
  readonly executable: Executable;
  readonly layers: ReadonlyMap<string, Value>;
  /** The layer that the graph is about. */
  readonly layer: string;
}

/** Bytes of weights that stay compiled; one graph always does. */
const KEPT_BYTES = 2 ** 28;
const KEPT = 6;

/** Looks into a network; made by `lookInside`. */
export class Inside {
  readonly #model: Module;
  readonly #options: Required<InsideOptions>;
  readonly #compiled = new Map<string, Promise<Compiled>>();
  readonly #most: number;

  constructor(model: Module, options: InsideOptions) {
    checkOptions("lookInside", options, ["engine", "weights"]);
    this.#model = model;
    this.#options = { weights: model.stateDict(), ...options };
    const bytes = [...this.#options.weights.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
    this.#most = Math.max(1, Math.min(KEPT, Math.floor(KEPT_BYTES / Math.max(1, bytes))));
  }

  /** Names of all layers, blocks and operators between layers, in order, for images x [N, C, H, W]. */
  layers(shape: readonly number[]): string[] {
    return [...layerValues(this.#trace(shape)).keys()].filter((name) => name !== "");
  }

  /** Name of the layer that Grad-CAM takes by default: the last one with more than one pixel. */
  lastMaps(shape: readonly number[]): string {
    const traced = this.#trace(shape);
    return lastMaps(traced, layerValues(traced));
  }

  /**
   * The scores of images, and the outputs of any layers, by the names of `layers`.
   *
   *     const { scores, activations } = await inside.see(images, ["features.0"]);
   *
   *     x [N, C, H, W] → scores [N, K], activations as the layers give them
   */
  async see(images: Numbers, layers: readonly string[] = []): Promise<Seen> {
    const input = numbers("see", "images", images);
    const compiled = await this.#forward(input.shape);
    const values = layers.map((name) => layerValue(compiled.layers, name));
    const { outputs } = compiled.executable;
    const names = ["scores", "probabilities"].filter((name) => outputs.includes(name));
    const ids = values.map((value) => outputOf(compiled.layers, value));
    const found = await run(compiled, { input }, [...new Set([...names, ...ids])]);
    return {
      ...Object.fromEntries(names.map((name) => [name, found[name]!])),
      activations: Object.fromEntries(layers.map((name, i) => [name, found[ids[i]!]!])),
    };
  }

  /** How the score of a class changes with each pixel: x [N, C, H, W] → gradient [N, C, H, W] */
  async inputGradient(images: Numbers, options: ClassOptions = {}): Promise<Floats> {
    checkOptions("inputGradient", options, { classIndex: "axis" });
    const input = numbers("inputGradient", "images", images);
    const select = await this.#select(input, options);
    const compiled = await this.#gradient("", input.shape);
    const { gradient } = await run(compiled, { input, select }, ["gradient"]);
    return gradient!;
  }

  /**
   * Grad-CAM (Selvaraju et al., 2017): the maps of a layer, weighted by the mean gradient of the class's score over each, summed, without
   * what is negative: x [N, C, H, W] → map [N, h, w]
   *
   * Throws if the layer has no maps.
   */
  async gradCam(images: Numbers, options: GradCamOptions = {}): Promise<ClassMap> {
    checkOptions("gradCam", options, { layer: "any", classIndex: "axis" });
    const input = numbers("gradCam", "images", images);
    const name = options.layer ?? this.lastMaps(input.shape);
    const select = await this.#select(input, options);
    const compiled = await this.#gradient(name, input.shape);
    const { gradient, activation } = await run(compiled, { input, select }, ["gradient", "activation"]);
    return { layer: name, map: weighted(activation!, gradient!) };
  }

  /**
   * Occlusion (Zeiler and Fergus, 2014): how far the score of a class drops when a window of the image is covered, for each pixel the mean
   * of the windows that cover it: x [1, C, H, W] → map [1, H, W]
   */
  async occlusion(image: Numbers, options: OcclusionOptions = {}): Promise<Floats> {
    const { onProgress, signal, batchSize = 8, fill = 0, ...given } = options;
    checkOptions(
      "occlusion",
      { ...given, batchSize, fill },
      { classIndex: "axis", size: "whole", stride: "whole", batchSize: "whole", fill: "number" },
    );
    const input = numbers("occlusion", "image", image);
    const [N, C = 0, H = 0, W = 0] = input.shape;
    check(
      N === 1 && input.shape.length === 4,
      () => `occlusion: takes one image [1, C, H, W], but got ${formatShape(input.shape)}`,
    );
    const size = given.size ?? Math.max(1, Math.round(Math.min(H, W) / 7));
    const stride = given.stride ?? Math.max(1, Math.round(size / 2));
    const windows = windowsOf([H, W], size, stride);
    const { scores } = await this.see(input);
    check(scores, () => "occlusion: the network is not a classifier, whose output is [N, classes]");
    const [label] = this.#labels(scores, options);
    const { corners } = windows;
    const drops: number[] = [];
    const batch = new Float32Array(batchSize * C * H * W);
    for (let first = 0; first < corners.length; first += batchSize) {
      signal?.throwIfAborted();
      for (let i = 0; i < batchSize; i++) {
        const one = batch.subarray(i * C * H * W, (i + 1) * C * H * W);
        one.set(input.data);
        const corner = corners[first + i];
        if (corner) cover(one, [C, H, W], { size, corner, fill });
      }
      const seen = await this.see(tensor("float32", [batchSize, C, H, W], batch));
      const K = scores.shape[1]!;
      for (let i = 0; i < batchSize && first + i < corners.length; i++)
        drops.push(scores.data[label!]! - seen.scores!.data[i * K + label!]!);
      onProgress?.(Math.min(corners.length, first + batchSize), corners.length);
    }
    return tensor("float32", [1, H, W], meanDrops([H, W], windows, drops));
  }

  /**
   * An image that a channel responds to: gradient ascent from noise on its mean activation (Erhan et al., 2009), smoothed and shifted a
   * little in each step, the same for the same seed: layer, channel → image [1, C, H, W]
   *
   * Throws if the layer or the channel does not exist.
   */
  async respond(options: RespondOptions): Promise<Floats> {
    const { layer, channel, shape, steps = 40, rate = 0.1, seed = 0, onStep, signal } = options;
    checkOptions(
      "respond",
      { channel, steps, rate, seed },
      { channel: "axis", steps: "whole", rate: "number", seed: "axis" },
    );
    const [N, C = 0, H = 0, W = 0] = shape;
    check(
      N === 1 && shape.length === 4,
      () => `respond: the shape has to be [1, C, H, W], but is ${formatShape(shape)}`,
    );
    const compiled = await this.#channel(layer, shape);
    const [, channels] = compiled.layers.get(layer)!.shape as readonly number[];
    check(
      channel < channels!,
      () => `respond: ${layer} has ${channels} channels, 0 to ${channels! - 1}; there is no ${channel}`,
    );
    const select = oneHot([[channel, channels!]]);
    const size = [C, H, W] as const;
    let image = noise(size, seed);
    let step = 0;
    for (const shift of shifts(steps, seed)) {
      signal?.throwIfAborted();
      const input = tensor("float32", [1, C, H, W], rolled(image, size, shift));
      const { gradient, value } = await run(compiled, { input, select }, ["gradient", "value"]);
      const back = rolled(gradient!.data as Float32Array, size, [-shift[0], -shift[1]]);
      image = climb(image, back, size, rate);
      onStep?.(++step, value!.data[0]!, tensor("float32", [1, C, H, W], image));
    }
    return tensor("float32", [1, C, H, W], image);
  }

  /** Gives the engine's memory back. */
  async dispose(): Promise<void> {
    const all = [...this.#compiled.values()];
    this.#compiled.clear();
    for (const one of all) await release(one);
  }

  #trace(shape: readonly number[]): Trace {
    return trace(this.#model, shape, { training: false, target: this.#options.engine.target });
  }

  /** The classes that are asked about: of each image the one with the highest score. */
  #labels({ shape, data }: Floats, { classIndex }: ClassOptions): number[] {
    const [N = 0, K = 0] = shape;
    check(
      classIndex === undefined || classIndex < K,
      () => `the network has ${K} classes, 0 to ${K - 1}; there is no ${classIndex}`,
    );
    return Array.from({ length: N }, (_, n) => {
      const scores = (data as Float32Array).subarray(n * K, (n + 1) * K);
      return classIndex ?? scores.indexOf(scores.reduce((a, b) => Math.max(a, b), -Infinity));
    });
  }

  async #select(input: Floats, options: ClassOptions): Promise<Floats> {
    const { scores } = await this.see(input);
    check(scores, () => "the network is not a classifier, whose output is [N, classes]");
    return oneHot(this.#labels(scores, options).map((label) => [label, scores.shape[1]!]));
  }

  /** All layers as outputs; a run computes those that are asked for. */
  #forward(shape: readonly number[]): Promise<Compiled> {
    return this.#keep(`forward ${shape}`, async () => {
      const traced = this.#trace(shape);
      const layers = layerValues(traced);
      const { graph, outputs } = traced;
      graph.outputs.clear();
      try {
        const scores = rawScores(outputs);
        const isSigmoid = outputForm(mainOutput(outputs)).form === "sigmoid";
        graph.output("scores", scores.value);
        graph.output("probabilities", (isSigmoid ? scores.sigmoid() : scores.softmax(1)).value);
      } catch {
        // a network of another kind has layers all the same
      }
      for (const value of new Set(layers.values())) graph.output(outputOf(layers, value), value);
      return { graph, layers, layer: "" };
    });
  }

  /** The gradient of a class's score at a layer, or at the input for "". */
  #gradient(layer: string, shape: readonly number[]): Promise<Compiled> {
    return this.#keep(`gradient ${layer} ${shape}`, async () => {
      const { graph, tracer, inputs, outputs, ...traced } = this.#trace(shape);
      const layers = layerValues({ graph, tracer, inputs, outputs, ...traced });
      const at = layer === "" ? inputs[0]!.value : layerValue(layers, layer);
      check(
        layer === "" || hasMaps(at),
        () => `gradCam: ${layer} gives ${formatShape(at.shape)}; it has to be a layer with maps, [N, C, h, w]`,
      );
      const scores = rawScores(outputs);
      const select = tracer.input("select", scores.shape);
      return { graph: gradientOf(graph, scores.mul(select).sum().value, at, this.#options), layers, layer };
    });
  }

  /** The gradient of a channel's mean activation at the input. */
  #channel(layer: string, shape: readonly number[]): Promise<Compiled> {
    return this.#keep(`channel ${layer} ${shape}`, async () => {
      const traced = this.#trace(shape);
      const layers = layerValues(traced);
      const value = layerValue(layers, layer);
      const { graph, tracer, inputs } = traced;
      const channels = value.shape[1];
      check(
        typeof channels === "number",
        () => `respond: ${layer} gives ${formatShape(value.shape)}, which has no channels`,
      );
      const activation = inputs[0]!.wrap(value);
      const axes = value.shape.map((_, axis) => axis).slice(2);
      const means = axes.length > 0 ? activation.mean(axes) : activation;
      const select = tracer.input("select", [1, channels]);
      return {
        graph: gradientOf(graph, means.mul(select).sum().value, inputs[0]!.value, this.#options),
        layers,
        layer,
      };
    });
  }

  #keep(
    key: string,
    make: () => Promise<{ graph: Graph; layers: ReadonlyMap<string, Value>; layer: string }>,
  ): Promise<Compiled> {
    const known = this.#compiled.get(key);
    this.#compiled.delete(key);
    const compiled =
      known ??
      make().then(async ({ graph, ...rest }) => {
        const { engine, weights } = this.#options;
        return { ...rest, executable: await engine.compile(prune(graph), { weights }) };
      });
    this.#compiled.set(key, compiled);
    compiled.catch(() => this.#compiled.delete(key));
    for (const [oldest, one] of this.#compiled) {
      if (this.#compiled.size <= this.#most) break;
      this.#compiled.delete(oldest);
      void release(one);
    }
    return compiled;
  }
}

/**
 * Looks into a network: activations of any layer, Grad-CAM, the gradient of a score at the input, occlusion, and what a channel responds
 * to. Networks from .onnx files too.
 *
 *     const inside = lookInside(model, { engine });
 *     const { scores, activations } = await inside.see(images, ["features.0"]);
 *     const { map } = await inside.gradCam(images, { classIndex: 3 });
 *
 * It is the evaluation form that runs, with the weights that the network has now; initial weights come from `model.initialize(seed)`.
 */
export function lookInside(model: Module, options: InsideOptions): Inside {
  return new Inside(model, options);
}

/** A graph with outputs "gradient", "activation" and "value": of one number, at a value. */
function gradientOf(graph: Graph, loss: Value, at: Value, { engine }: InsideOptions): Graph {
  const { graph: result, gradients } = differentiate(graph, loss, [at], { target: engine.target });
  result.outputs.clear();
  result.output("gradient", gradients.get(at)!);
  if (!result.inputs.includes(at)) result.output("activation", at);
  result.output("value", loss);
  return result;
}

/** Name of the output that has a layer's value. */
const outputOf = (layers: ReadonlyMap<string, Value>, value: Value): string =>
  `layer ${[...layers.values()].indexOf(value)}`;

async function run({ executable }: Compiled, feeds: Record<string, Floats>, outputs: readonly string[]) {
  const used = Object.entries(feeds).filter(([name]) => executable.inputs.includes(name));
  const results = await executable.run(Object.fromEntries(used), { outputs });
  const read = Object.entries(results).map(async ([name, one]) => {
    const data = (await one.read()) as Floats;
    one.dispose();
    return [name, data] as const;
  });
  return Object.fromEntries(await Promise.all(read)) as Record<string, Floats>;
}

async function release(compiled: Promise<Compiled>): Promise<void> {
  const found = await compiled.catch(() => undefined);
  await found?.executable.dispose();
}

/** Rows of zeros with a one: [N, K] */
function oneHot(rows: readonly (readonly [at: number, length: number])[]): Floats {
  const K = rows[0]?.[1] ?? 0;
  const data = new Float32Array(rows.length * K);
  rows.forEach(([at], n) => {
    data[n * K + at] = 1;
  });
  return tensor("float32", [rows.length, K], data);
}

/** Maps weighted by the mean of their gradients, summed over channels, without what is negative: [N, C, h, w] → [N, h, w] */
function weighted(activation: Floats, gradient: Floats): Floats {
  const [N = 0, C = 0, h = 0, w = 0] = activation.shape;
  const area = h * w;
  const map = new Float32Array(N * area);
  for (let n = 0; n < N; n++) {
    const out = map.subarray(n * area, (n + 1) * area);
    for (let c = 0; c < C; c++) {
      const from = (n * C + c) * area;
      let mean = 0;
      for (let i = 0; i < area; i++) mean += gradient.data[from + i]! / area;
      for (let i = 0; i < area; i++) out[i]! += mean * activation.data[from + i]!;
    }
  }
  check(numel(activation.shape) === numel(gradient.shape), () => "gradCam: the gradient does not fit the layer");
  return tensor(
    "float32",
    [N, h, w],
    map.map((value) => Math.max(0, value)),
  );
}
