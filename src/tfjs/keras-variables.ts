/** Weights that Keras 3 keeps by their number in a layer: their names, by the class of the layer. */
import { ensure } from "./error.ts";
import { type LayerConfig, parseContainer, parseLayer } from "./schema.ts";

type Config = Readonly<Record<string, unknown>>;

const scaled = ({ scale, center }: Config) => [
  ...(scale === false ? [] : ["gamma"]),
  ...(center === false ? [] : ["beta"]),
];

const NAMES: Readonly<Record<string, (config: Config) => readonly string[]>> = {
  BatchNormalization: (config) => [...scaled(config), "moving_mean", "moving_variance"],
  LayerNormalization: scaled,
  SeparableConv2D: () => ["depthwise_kernel", "pointwise_kernel", "bias"],
  DepthwiseConv2D: () => ["depthwise_kernel", "bias"],
  PReLU: () => ["alpha"],
};

/** Names of the weights of a layer, in order. */
const namesOf = ({ class_name, config }: LayerConfig): readonly string[] =>
  Object.hasOwn(NAMES, class_name) ? NAMES[class_name]!(config as Config) : ["kernel", "bias"];

const CONTAINERS = ["Sequential", "Functional", "Model"];
/** Models inside models. */
const MAX_DEPTH = 20;

/** A layer and the folder of its weights. */
export interface StoredLayer {
  /** "layers/conv2d_1": classes in small letters, counted. */
  readonly folder: string;
  /** Name of the layer, below those of the models around it. */
  readonly path: string;
  readonly names: readonly string[];
}

/** All layers of a model that may have weights, with the folders in which Keras 3 keeps them. */
export function storedLayers(topology: unknown, folder = "", path = "", depth = 0): StoredLayer[] {
  ensure(depth <= MAX_DEPTH, () => `the model has more than ${MAX_DEPTH} models inside one another`);
  const { config, class_name } = parseLayer(topology, "the model");
  const counts = new Map<string, number>();
  return parseContainer(config, class_name).layers.flatMap((json, i) => {
    const layer = parseLayer(json, `layer ${i}`);
    const name = snakeCase(layer.class_name);
    const count = counts.get(name) ?? 0;
    counts.set(name, count + 1);
    const own = (layer.config as { name?: unknown }).name ?? layer.name ?? name;
    const inner = `${folder}layers/${name}${count === 0 ? "" : `_${count}`}`;
    if (CONTAINERS.includes(layer.class_name)) return storedLayers(layer, `${inner}/`, `${path}${own}/`, depth + 1);
    return [{ folder: inner, path: `${path}${own}`, names: namesOf(layer) }];
  });
}

/** As Keras does: "DepthwiseConv2D" → "depthwise_conv2d", "PReLU" → "p_re_lu". */
const snakeCase = (name: string): string =>
  name
    .replaceAll(/\W+/g, "")
    .replaceAll(/(.)([A-Z][a-z]+)/g, "$1_$2")
    .replaceAll(/([a-z])([A-Z])/g, "$1_$2")
    .toLowerCase();
