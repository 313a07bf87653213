/** The worker that looks into networks; `protocol.ts` has its messages. */
import * as Comlink from "comlink";
import { NORMALIZATION } from "convnets/data";
import { type TensorData, tensor } from "convnets/graph";
import { type Inside, lookInside } from "convnets/infer";
import { mainOutput, trace } from "convnets/nn";
import { IMAGENET_CLASSES } from "convnets/pretrained";
import { type Loaded, load } from "../bench/load.ts";
import { loadEngine } from "../engine/engine.ts";
import type { Look, Maps, Pixels, Score, Sight } from "./protocol.ts";

interface Open extends Loaded {
  readonly inside: Inside;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Classes that are shown. */
const TOP = 5;
const STEPS = 48;

let current: Promise<Open> | undefined;
let device: Parameters<typeof loadEngine>[0];
let stop = new AbortController();

async function openNetwork(source: Parameters<Look["open"]>[0]): Promise<Open> {
  const loaded = await load(source);
  const { model, input, weights } = loaded;
  const [, channels] = input;
  if (input.length !== 4 || (channels !== 1 && channels !== 3))
    throw new Error(
      `${loaded.title} takes [${input.join(", ")}]; to look inside with an image, its input has to be [1, 3, H, W] or [1, 1, H, W]`,
    );
  if (weights === "random") model.initialize(0);
  const { engine } = await loadEngine(device);
  const assumed = channels === 3 ? NORMALIZATION.imagenet : { mean: [0.5], std: [0.25] };
  return {
    ...loaded,
    inside: lookInside(model, { engine }),
    ...(loaded.normalization ?? model.spec?.normalization ?? assumed),
  };
}

function opened(): Promise<Open> {
  if (!current) throw new Error("no network is open");
  return current;
}

/** Names of the classes where a file does not record them: weights for 1000 classes are nearly always ImageNet's. */
function assumedClasses({ model, input, weights }: Open): readonly string[] {
  const [, count] = mainOutput(trace(model, input, { training: false }).outputs).shape;
  return weights === "file" && count === IMAGENET_CLASSES.length ? IMAGENET_CLASSES : [];
}

/** Pixels as the network takes them, [1, C, H, W]; grey is the brightness of the colors. */
function toTensor({ width, height, data }: Pixels, { input, mean, std }: Open): TensorData<"float32"> {
  const C = input[1]!;
  const area = width * height;
  const numbers = new Float32Array(C * area);
  for (let i = 0; i < area; i++) {
    const [r, g, b] = [data[4 * i]!, data[4 * i + 1]!, data[4 * i + 2]!];
    const values = C === 1 ? [0.299 * r + 0.587 * g + 0.114 * b] : [r, g, b];
    for (let c = 0; c < C; c++)
      numbers[c * area + i] = (values[c]! / 255 - (mean[c] ?? mean[0]!)) / (std[c] ?? std[0]!);
  }
  return tensor("float32", [1, C, height, width], numbers);
}

/** An image that was climbed to, with its contrast brought to what a screen shows. */
function toPixels({ shape, data }: TensorData<"float32">): Pixels {
  const [, C = 1, height = 0, width = 0] = shape;
  const area = width * height;
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  const deviation = Math.sqrt(data.reduce((sum, value) => sum + (value - mean) ** 2, 0) / data.length) || 1;
  const pixels = new Uint8ClampedArray(4 * area);
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++)
      pixels[4 * i + c] = 255 * (0.5 + 0.22 * ((data[(C === 1 ? 0 : c) * area + i]! - mean) / deviation));
    pixels[4 * i + 3] = 255;
  }
  return { width, height, data: pixels };
}

const copy = (data: ArrayLike<number>): Float32Array<ArrayBuffer> => Float32Array.from(data);

function best(scores: TensorData<"float32">, probabilities: TensorData<"float32">): Score[] {
  const all = Array.from(scores.data, (score, label) => ({ label, score, probability: probabilities.data[label]! }));
  return all.sort((a, b) => b.probability - a.probability || b.score - a.score).slice(0, TOP);
}

function mapsOf(layer: string, { shape, data }: TensorData<"float32">): Maps {
  return { layer, shape: shape.slice(1), data: copy(data) };
}

const look: Look = {
  async engine(wanted) {
    device = wanted;
    return (await loadEngine(wanted)).info;
  },

  async open(source) {
    const before = current;
    current = openNetwork(source);
    before?.then(({ inside }) => inside.dispose()).catch(() => undefined);
    const { model, input, weights, inside, classes } = await current;
    const [, , height = 0, width = 0] = input;
    const last = (() => {
      try {
        return inside.lastMaps(input);
      } catch {
        return undefined; // a network without maps has activations all the same
      }
    })();
    const layers = inside.layers(input);
    return {
      height,
      width,
      weights,
      layers,
      classes: classes ?? model.spec?.classes ?? assumedClasses(await current),
      ...(last !== undefined && { last }),
    };
  },

  async see(picture, layer) {
    const open = await opened();
    const { scores, probabilities, activations } = await open.inside.see(
      toTensor(picture, open),
      layer === undefined ? [] : [layer],
    );
    const maps = layer === undefined ? undefined : mapsOf(layer, activations[layer]!);
    const top = scores && probabilities ? best(scores, probabilities) : [];
    const sight: Sight = { top, maps };
    return Comlink.transfer(sight, maps ? [maps.data.buffer] : []);
  },

  async overlay(picture, { kind, label, layer }, onProgress) {
    const open = await opened();
    stop.abort();
    stop = new AbortController();
    const { signal } = stop;
    const { inside } = open;
    const input = toTensor(picture, open);
    const { width, height } = picture;
    if (kind === "cam") {
      const { map, layer: at } = await inside.gradCam(input, {
        classIndex: label,
        ...(layer !== undefined && { layer }),
      });
      const [, h = 0, w = 0] = map.shape;
      return { kind, label, layer: at, height: h, width: w, data: copy(map.data) };
    }
    if (kind === "occlusion") {
      const map = await inside.occlusion(input, { classIndex: label, signal, onProgress });
      return { kind, label, height, width, data: copy(map.data) };
    }
    const { data } = await inside.inputGradient(input, { classIndex: label });
    return { kind, label, height, width, data: largest(data as Float32Array, width * height) };
  },

  async respond(layer, channel, onStep) {
    const { inside, input } = await opened();
    stop.abort();
    stop = new AbortController();
    await inside.respond({
      ...{ layer, channel, shape: input, steps: STEPS, signal: stop.signal },
      onStep: (step, value, image) => onStep({ step, steps: STEPS, value, picture: toPixels(image) }),
    });
  },

  cancel() {
    stop.abort();
  },
};

/** For each pixel the largest magnitude over the channels. */
function largest(data: Float32Array, area: number): Float32Array<ArrayBuffer> {
  const result = new Float32Array(area);
  for (let i = 0; i < data.length; i++) result[i % area] = Math.max(result[i % area]!, Math.abs(data[i]!));
  return result;
}

Comlink.expose(look);
