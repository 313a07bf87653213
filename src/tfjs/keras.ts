/** The Layers form: Keras' Sequential and functional models, also inside one another. */
import type { Shape, Value } from "../graph/index.ts";
import { type Builder, type Held, pathOf } from "./builder.ts";
import { ensure, quote } from "./error.ts";
import { applyLayer, inputShapeOf } from "./keras-layers.ts";
import type { LayerTensors } from "./keras-weights.ts";
import { type ContainerConfig, type LayerConfig, parseContainer, parseLayer } from "./schema.ts";

const CONTAINERS: readonly string[] = ["Sequential", "Model", "Functional"];
/** Layers of all models together; the deepest networks for images have some two thousand. */
const MAX_LAYERS = 10_000;
/** Models inside models. */
const MAX_DEPTH = 20;

/** What the layers of a model are built with. */
export interface KerasOptions {
  readonly weights: LayerTensors;
  /** Other shapes for inputs, by name, as [N, C, H, W]. */
  readonly inputs: Readonly<Record<string, Shape>>;
}

/** Adds a model to the graph. Outputs have the names of the layers that compute them. */
export function buildKeras(b: Builder, topology: unknown, options: KerasOptions): void {
  const model = parseLayer(topology, "the model");
  ensure(
    CONTAINERS.includes(model.class_name),
    () => `the model is of the class ${quote(model.class_name)}; supported are ${CONTAINERS.join(", ")}`,
  );
  const walk = new Walk(b, options, /"channels_first"/.test(JSON.stringify(topology)));
  for (const [name, x] of walk.container(model, undefined, ""))
    b.graph.output(b.graph.outputs.has(name) ? `${name}_${b.graph.outputs.size}` : name, walk.result(x));
  ensure(b.graph.inputs.length > 0, () => "the model has no input layer");
}

type Named = readonly [name: string, x: Held];

class Walk {
  readonly #b: Builder;
  readonly #options: KerasOptions;
  /** Whether images are [N, C, H, W] in the model too. */
  readonly #channelsFirst: boolean;
  #count = 0;

  constructor(b: Builder, options: KerasOptions, channelsFirst: boolean) {
    this.#b = b;
    this.#options = options;
    this.#channelsFirst = channelsFirst;
  }

  /** An output of the graph: images are [N, C, H, W], as those that go in. */
  result(x: Held): Value {
    return x.value.shape.length === 4 && !this.#channelsFirst ? this.#b.images(x) : this.#b.plain(x);
  }

  /** The outputs of a model for these inputs; undefined makes those of the graph. */
  container(model: LayerConfig, inputs: readonly Held[] | undefined, path: string, depth = 0): readonly Named[] {
    ensure(depth <= MAX_DEPTH, () => `the model has more than ${MAX_DEPTH} models inside one another`);
    const config = parseContainer(model.config, `the model ${quote(model.name ?? model.class_name)}`);
    const layers = config.layers.map((layer, i) =>
      parseLayer(layer, `layer ${i} of ${quote(config.name ?? "the model")}`),
    );
    this.#count += layers.length;
    ensure(this.#count <= MAX_LAYERS, () => `the model has more than ${MAX_LAYERS} layers`);
    return model.class_name === "Sequential"
      ? this.#sequential(config, layers, inputs, path, depth)
      : this.#functional(config, layers, inputs, path, depth);
  }

  #sequential(
    { build_input_shape }: ContainerConfig,
    layers: readonly LayerConfig[],
    inputs: readonly Held[] | undefined,
    path: string,
    depth: number,
  ): readonly Named[] {
    ensure(inputs === undefined || inputs.length === 1, () => "a Sequential model takes one input");
    let x = inputs?.[0];
    let last = "output";
    layers.forEach((layer, i) => {
      last = nameOf(layer);
      if (layer.class_name === "InputLayer") {
        x ??= this.#input(layer);
        return;
      }
      if (x === undefined && !CONTAINERS.includes(layer.class_name))
        x = this.#input(layer, i === 0 ? build_input_shape : undefined);
      const outputs = this.#apply(layer, x && [x], path, depth);
      ensure(
        outputs.length === 1,
        () => `the layer ${quote(last)} of a Sequential model has ${outputs.length} outputs`,
      );
      [x] = outputs;
    });
    ensure(x, () => "the model has no layers");
    return [[last, x]];
  }

  #functional(
    config: ContainerConfig,
    layers: readonly LayerConfig[],
    inputs: readonly Held[] | undefined,
    path: string,
    depth: number,
  ): readonly Named[] {
    /** Outputs of the calls of each layer. */
    const results = new Map<string, (readonly Held[])[]>(layers.map((layer) => [nameOf(layer), []]));
    const wanted = references(config.input_layers);
    const outputs = references(config.output_layers);
    ensure(outputs.length > 0, () => `the model ${quote(config.name)} names no outputs`);
    ensure(
      inputs === undefined || inputs.length === wanted.length,
      () => `the model ${quote(config.name)} takes ${wanted.length} inputs, but is called with ${inputs?.length}`,
    );
    const byName = new Map(layers.map((layer) => [nameOf(layer), layer]));
    wanted.forEach(({ layer: name }, i) => {
      const layer = byName.get(name);
      ensure(layer?.class_name === "InputLayer", () => `the input ${quote(name)} is no InputLayer`);
      results.get(name)!.push([inputs?.[i] ?? this.#input(layer)]);
    });
    const find = ({ layer, call, tensor }: Reference): Held | undefined => {
      const calls = results.get(layer);
      ensure(calls, () => `there is no layer ${quote(layer)}, which another one reads`);
      // a model that stands inside another counts its calls from 1 in some versions of Keras
      return (calls[call] ?? (call === 1 ? calls[0] : undefined))?.[tensor];
    };
    let pending = layers
      .filter(({ class_name }) => class_name !== "InputLayer")
      .map((layer) => ({ layer, calls: layer.inbound_nodes.map(references) }));
    while (pending.length > 0) {
      const before = pending.reduce((sum, { calls }) => sum + calls.length, 0);
      pending = pending.filter(({ layer, calls }) => {
        while (calls.length > 0) {
          const read = calls[0]!.map(find);
          if (read.some((x) => x === undefined)) return true;
          results.get(nameOf(layer))!.push(this.#apply(layer, read as Held[], path, depth));
          calls.shift();
        }
        return false;
      });
      const left = pending.reduce((sum, { calls }) => sum + calls.length, 0);
      ensure(left < before, () => `the layer ${quote(nameOf(pending[0]!.layer))} reads what is never computed`);
    }
    return outputs.map((reference) => {
      const x = find(reference);
      ensure(x, () => `the output ${quote(reference.layer)} is never computed`);
      return [reference.layer, x];
    });
  }

  #apply(layer: LayerConfig, inputs: readonly Held[] | undefined, path: string, depth: number): readonly Held[] {
    const name = nameOf(layer);
    const inner = [path, pathOf(name)].filter((part) => part !== "").join(".");
    if (CONTAINERS.includes(layer.class_name)) return this.container(layer, inputs, inner, depth + 1).map(([, x]) => x);
    const what = `the layer ${quote(name)} (${layer.class_name.slice(0, 60)})`;
    return this.#b.within(inner, what, () => [
      applyLayer(this.#b, layer, inputs ?? [], { path: inner, what, name, weights: this.#options.weights }),
    ]);
  }

  #input(layer: LayerConfig, built?: readonly unknown[] | null): Held {
    const name = nameOf(layer);
    const { shape, dtype } = inputShapeOf(layer, built);
    const isImage = shape.length === 4 && !this.#channelsFirst;
    const [N, H, W, C] = shape;
    const own: Shape = isImage ? [N!, C!, H!, W!] : shape;
    const { inputs } = this.#options;
    return this.#b.input(name, dtype, own, isImage, Object.hasOwn(inputs, name) ? inputs[name] : undefined);
  }
}

/** A tensor: which output of which call of a layer. */
interface Reference {
  readonly layer: string;
  readonly call: number;
  readonly tensor: number;
}

const isTriple = (json: unknown): json is [string, number, number] =>
  Array.isArray(json) && typeof json[0] === "string" && Number.isInteger(json[1]) && Number.isInteger(json[2]);

/** The tensors that a list names, as Keras 2 (lists of [layer, call, output]) and Keras 3 (keras_history) write them. */
function references(json: unknown): Reference[] {
  const found: Reference[] = [];
  const rest: unknown[] = [json];
  while (rest.length > 0) {
    const next = rest.pop();
    if (isTriple(next)) found.push({ layer: next[0], call: next[1], tensor: next[2] });
    else if (Array.isArray(next)) rest.push(...next.toReversed());
    else if (typeof next === "object" && next !== null) {
      const { args, config, keras_history } = next as Record<string, unknown>;
      rest.push(keras_history ?? config ?? args);
    }
  }
  return found;
}

function nameOf({ name, config }: LayerConfig): string {
  const own = name ?? (Array.isArray(config) ? undefined : config.name);
  return typeof own === "string" ? own : "layer";
}
