/**
 * Transforms as plain data, with torchvision's names and numbers: a list of them can be in a configuration file, is
 * checked before anything is read, and can be sent to a worker.
 *
 *     [{ randomCrop: { size: 32, padding: 4 } }, "randomHorizontalFlip", { normalize: { mean, std } }]
 *
 * Every random number comes from the generator that is passed in.
 */
import * as v from "valibot";
import { type TensorData, tensor } from "../graph/index.ts";
import { Random } from "../random.ts";
import { rgbToGrayscale } from "./color.ts";
import { DataError } from "./errors.ts";
import { centerCrop, crop, hflip, type Padding, pad, resize, resizedCenter, resizedSize } from "./geometry.ts";
import { type Image, interleaved, toInterleaved } from "./image.ts";
import { colorJitter, erasedBox, resizedCropBox } from "./random-parameters.ts";
import { INTERPOLATIONS } from "./resample.ts";
import { bytes, kernels, reserve } from "./simd.ts";

type OnPixels = (image: Image, random: Random) => Image;
/** Works on the floats of one image, values [C, H, W]. */
type OnTensor = (values: Float32Array, shape: readonly [C: number, H: number, W: number], random: Random) => void;

const integer = v.pipe(v.number(), v.integer(), v.minValue(1));
const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const probability = v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 0.5);
const byte = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255));
const fill = v.optional(v.union([byte, v.pipe(v.array(byte), v.readonly())]), 0);
const pair = v.pipe(v.tuple([integer, integer]), v.readonly());
const size = v.union([integer, pair], "expected a whole number of pixels ≥ 1, or [height, width]");
const padding = v.union(
  [count, v.pipe(v.tuple([count, count]), v.readonly()), v.pipe(v.tuple([count, count, count, count]), v.readonly())],
  "expected pixels ≥ 0: a number, [horizontal, vertical] or [left, top, right, bottom]",
);
const paddingMode = v.optional(v.picklist(["constant", "edge", "reflect", "symmetric"]), "constant");
const interpolation = v.optional(v.picklist(INTERPOLATIONS), "bilinear");
const positive = v.pipe(v.number(), v.gtValue(0));
const range = v.pipe(
  v.tuple([positive, positive]),
  v.check(([low, high]) => low <= high, "expected [low, high] with low ≤ high"),
  v.readonly(),
);
const part = v.pipe(v.number(), v.minValue(0));
const jitter = v.optional(v.union([part, v.pipe(v.tuple([part, part]), v.readonly())]), 0);
const hue = v.pipe(v.number(), v.minValue(-0.5), v.maxValue(0.5));
const numbers = v.pipe(v.array(v.number()), v.minLength(1), v.readonly());
const deviations = v.pipe(v.array(positive), v.minLength(1), v.readonly());

type Schema = v.GenericSchema<object>;

/** A transform of bytes. */
function onPixels<S extends Schema>(schema: S, prepare: (options: v.InferOutput<S>) => OnPixels) {
  return { schema, prepare, stage: "pixels" } as const;
}

/** A transform of floats that are already scaled. */
function onTensor<S extends Schema>(schema: S, prepare: (options: v.InferOutput<S>) => OnTensor) {
  return { schema, prepare, stage: "tensor" } as const;
}

/** A step of the map from bytes to floats. */
function scaling<S extends Schema>(schema: S, prepare: (options: v.InferOutput<S>) => Affine | undefined) {
  return { schema, prepare, stage: "scaling" } as const;
}

interface Affine {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

const TRANSFORMS = {
  /** A number is the shorter side; antialiased. */
  resize: onPixels(
    v.strictObject({ size, maxSize: v.optional(integer), interpolation }),
    (options) => (image) => resize(image, ...resizedSize(image, options.size, options.maxSize), options.interpolation),
  ),
  centerCrop: onPixels(v.strictObject({ size }), (options) => {
    const [height, width] = pairOf(options.size);
    return (image) => centerCrop(image, height, width);
  }),
  pad: onPixels(v.strictObject({ padding, fill, paddingMode }), (options) => {
    const border = paddingOf(options.padding);
    return (image) => pad(image, border, { fill: options.fill, mode: options.paddingMode });
  }),
  randomCrop: onPixels(v.strictObject({ size, padding: v.optional(padding), fill, paddingMode }), (options) => {
    const [height, width] = pairOf(options.size);
    const border = options.padding === undefined ? undefined : paddingOf(options.padding);
    return (image, random) => {
      if (border) image = pad(image, border, { fill: options.fill, mode: options.paddingMode });
      if (image.height < height || image.width < width) {
        throw new DataError(
          `randomCrop: ${height}×${width} does not fit into ${image.height}×${image.width}; resize before, or pad`,
        );
      }
      const top = random.integer(image.height - height + 1);
      const left = random.integer(image.width - width + 1);
      return crop(image, { top, left, height, width });
    };
  }),
  randomResizedCrop: onPixels(
    v.strictObject({
      size,
      scale: v.optional(range, [0.08, 1]),
      ratio: v.optional(range, [3 / 4, 4 / 3]),
      interpolation,
    }),
    (options) => {
      const [height, width] = pairOf(options.size);
      return (image, random) =>
        resize(crop(image, resizedCropBox(image, options, random)), height, width, options.interpolation);
    },
  ),
  randomHorizontalFlip: onPixels(
    v.strictObject({ p: probability }),
    ({ p }) =>
      (image, random) =>
        random.uniform() < p ? hflip(image) : image,
  ),
  colorJitter: onPixels(
    v.strictObject({
      brightness: jitter,
      contrast: jitter,
      saturation: jitter,
      hue: v.optional(v.union([v.pipe(hue, v.minValue(0)), v.pipe(v.tuple([hue, hue]), v.readonly())]), 0),
    }),
    (options) => (image, random) => colorJitter(image, options, random),
  ),
  /** `numOutputChannels` 3 makes images of one channel fit a network of three. */
  grayscale: onPixels(
    v.strictObject({ numOutputChannels: v.optional(v.picklist([1, 3]), 1) }),
    ({ numOutputChannels }) =>
      (image) =>
        rgbToGrayscale(image, numOutputChannels),
  ),
  /** Channels in the opposite order: blue, green, red. */
  bgr: onPixels(v.strictObject({}), () => (image) => {
    const { channels, offset, strides } = image;
    if (channels !== 3) throw new DataError(`bgr: the image has ${channels} channel, not 3`);
    return { ...image, offset: offset + 2 * strides[0], strides: [-strides[0], strides[1], strides[2]] };
  }),
  /** 255 − x: black on white becomes white on black. */
  invert: onPixels(v.strictObject({}), () => (image) => {
    const { height, width, channels } = image;
    return interleaved(
      toInterleaved(image).map((byte) => 255 - byte),
      height,
      width,
      channels,
    );
  }),
  /** Bytes to floats in [0, 1]; implied where it is left out. */
  toTensor: scaling(v.strictObject({}), () => undefined),
  normalize: scaling(v.strictObject({ mean: numbers, std: deviations }), (affine) => affine),
  randomErasing: onTensor(
    v.strictObject({
      p: probability,
      scale: v.optional(range, [0.02, 0.33]),
      ratio: v.optional(range, [0.3, 3.3]),
      value: v.optional(v.union([v.number(), numbers, v.literal("random")]), 0),
    }),
    (options) => (values, shape, random) => {
      const box = random.uniform() < options.p ? erasedBox(shape, options, random) : undefined;
      if (box) erase(values, shape, box, options.value === "random" ? () => random.normal() : options.value);
    },
  ),
};

type Transforms = typeof TRANSFORMS;
type Name = keyof Transforms;
type Immutable<T> = T extends object ? { readonly [K in keyof T]: Immutable<T[K]> } : T;
type Options<K extends Name> = Immutable<v.InferInput<Transforms[K]["schema"]>>;
/** Transforms that need no option may stand by their name alone. */
type Bare = { [K in Name]: Partial<Options<K>> extends Options<K> ? K : never }[Name];

/** One transform: its name alone, or its name and its options. */
export type Transform = Bare | { [K in Name]: { readonly [P in K]: Options<K> } }[Name];

/** Names of all transforms. */
export const TRANSFORM_NAMES = Object.keys(TRANSFORMS) as readonly Name[];

type Parsed<K extends Name> = v.InferOutput<Transforms[K]["schema"]>;

/** A resize that a center crop follows computes only what the crop keeps. */
function resizeAndCrop(
  { size, maxSize, interpolation }: Parsed<"resize">,
  { size: cropped }: Parsed<"centerCrop">,
): OnPixels {
  return (image) => resizedCenter(image, resizedSize(image, size, maxSize), pairOf(cropped), interpolation);
}

function pairOf(size: number | readonly [number, number]): readonly [height: number, width: number] {
  return typeof size === "number" ? [size, size] : size;
}

function paddingOf(padding: number | readonly [number, number] | Padding): Padding {
  if (typeof padding === "number") return [padding, padding, padding, padding];
  return padding.length === 2 ? [padding[0], padding[1], padding[0], padding[1]] : padding;
}

/** Overwrites a box of values [C, H, W] with a number, one per channel, or what a function draws. */
export function erase(
  values: Float32Array,
  [C, H, W]: readonly [C: number, H: number, W: number],
  { top, left, height, width }: { top: number; left: number; height: number; width: number },
  value: number | readonly number[] | (() => number),
): void {
  if (Array.isArray(value) && value.length !== C && value.length !== 1) {
    throw new Error(`randomErasing: value has ${value.length} numbers, but the image has ${C} channels`);
  }
  for (let c = 0; c < C; c++) {
    const constant = typeof value === "number" ? value : Array.isArray(value) ? (value[c] ?? value[0]!) : 0;
    for (let y = top; y < top + height; y++) {
      const row = (c * H + y) * W;
      if (typeof value !== "function") values.fill(constant, row + left, row + left + width);
      else for (let x = left; x < left + width; x++) values[row + x] = value();
    }
  }
}

const shown = (value: unknown): string =>
  typeof value === "function" ? "a function" : (JSON.stringify(value) ?? String(value));

/** Checks a list of transforms, and fills in defaults. Throws, with the place of what is wrong: `transforms[1].randomCrop.size`. */
export function parseTransforms(value: unknown): readonly Transform[] {
  if (!Array.isArray(value)) throw new Error(`transforms: expected a list, got ${shown(value)}`);
  let stage = 0;
  return value.map((item: unknown, i) => {
    const isRecord = typeof item === "object" && item !== null && Object.keys(item).length === 1;
    const name = typeof item === "string" ? item : isRecord ? Object.keys(item)[0]! : undefined;
    const at = `transforms[${i}]`;
    if (typeof item === "function") {
      throw new Error(
        `${at}: transforms are data, so that workers and configuration files can hold them, but this is a function; use ` +
          `${TRANSFORM_NAMES.join(", ")}, or transform the images in the data set's get(index)`,
      );
    }
    if (name === undefined) {
      throw new Error(
        `${at}: expected a name or { name: options }, such as { resize: { size: 256 } }, got ${shown(item)}`,
      );
    }
    if (!Object.hasOwn(TRANSFORMS, name)) {
      throw new Error(`${at}: there is no transform "${name}"; the transforms are ${TRANSFORM_NAMES.join(", ")}`);
    }
    const transform = TRANSFORMS[name as Name];
    const options = typeof item === "string" ? {} : (item as Record<string, unknown>)[name];
    const result = v.safeParse(transform.schema as Schema, options);
    if (!result.success) {
      const issue = result.issues[0];
      const path = v.getDotPath(issue);
      throw new Error(`${at}.${name}${path ? `.${path}` : ""}: ${issue.message}`);
    }
    const order = ["pixels", "scaling", "tensor"].indexOf(transform.stage);
    if (order < stage) {
      throw new Error(
        `${at}: ${name} cannot follow; the order is: transforms of pixels, toTensor and normalize, randomErasing`,
      );
    }
    stage = order;
    return { [name]: result.output } as Transform;
  });
}

/** A list of transforms made ready to run. */
export interface Pipeline {
  /** The transforms of bytes, those before `toTensor`. */
  pixels(image: Image, random: Random): Image;
  /** The rest: writes floats [C, H, W] at `at`. */
  write(image: Image, out: Float32Array, at: number, random: Random): void;
}

/** Prepares a list of transforms to be applied to many images. Throws for an unknown transform or option, naming it. */
export function compileTransforms(transforms: readonly Transform[]): Pipeline {
  const steps: OnPixels[] = [];
  const affines: Affine[] = [];
  const tensors: OnTensor[] = [];
  const parsed = parseTransforms(transforms).map((step) => Object.entries(step)[0] as [Name, never]);
  for (const [i, [name, options]] of parsed.entries()) {
    const transform = TRANSFORMS[name];
    const [before, after] = [parsed[i - 1], parsed[i + 1]];
    if (name === "resize" && after?.[0] === "centerCrop") steps.push(resizeAndCrop(options, after[1]));
    else if (name === "centerCrop" && before?.[0] === "resize") continue;
    else if (transform.stage === "pixels") steps.push(transform.prepare(options));
    else if (transform.stage === "tensor") tensors.push(transform.prepare(options));
    else affines.push(...[transform.prepare(options)].filter((affine) => affine !== undefined));
  }
  let tables: Float32Array[] = [];
  return {
    pixels: (image, random) => steps.reduce((pixels, apply) => apply(pixels, random), image),
    write(image, out, at, random) {
      const { channels, height, width } = image;
      if (tables.length !== channels) tables = scaleTables(affines, channels);
      const length = channels * height * width;
      const values = out.subarray(at, at + length);
      writePlanes(image, tables, values);
      for (const apply of tensors) apply(values, [channels, height, width], random);
    },
  };
}

/** One image through a pipeline, as a tensor [C, H, W]. */
export function applyTransforms(pipeline: Pipeline, image: Image, random = new Random(0)): TensorData<"float32"> {
  const ready = pipeline.pixels(image, random);
  const shape = [ready.channels, ready.height, ready.width] as const;
  const out = new Float32Array(ready.channels * ready.height * ready.width);
  pipeline.write(ready, out, 0, random);
  return tensor("float32", shape, out);
}

/** What each byte becomes in each channel: x/255, then (x − mean)/std, in float32 as PyTorch computes it. */
function scaleTables(affines: readonly Affine[], channels: number): Float32Array[] {
  for (const { mean, std } of affines) {
    for (const [what, values] of Object.entries({ mean, std })) {
      if (values.length === channels || values.length === 1) continue;
      throw new Error(
        `normalize: ${what} has ${values.length} values, but the image has ${channels} channels; ` +
          `{ grayscale: { numOutputChannels: ${values.length} } } changes that`,
      );
    }
  }
  const { fround } = Math;
  return Array.from({ length: channels }, (_, c) =>
    Float32Array.from({ length: 256 }, (_, byte) =>
      affines.reduce(
        (x, { mean, std }) => fround(fround(x - fround(mean[c] ?? mean[0]!)) / fround(std[c] ?? std[0]!)),
        fround(byte / 255),
      ),
    ),
  );
}

function writePlanes(image: Image, tables: readonly Float32Array[], values: Float32Array): void {
  const { data, channels, height, width, offset, strides } = image;
  // the bytes from the first to the last that belong to the image
  const last = [channels - 1, height - 1, width - 1].map((steps, axis) => steps * strides[axis]!);
  const first = offset + last.reduce((sum, step) => sum + Math.min(0, step), 0);
  const end = offset + last.reduce((sum, step) => sum + Math.max(0, step), 1);
  const [inAt, tableAt, outAt] = reserve(end - first, channels * 1024, values.byteLength);
  const memory = bytes();
  memory.set(data.subarray(first, end), inAt);
  const floats = new Float32Array(memory.buffer);
  const [sC, sH, sW] = strides;
  const at = inAt + offset - first;
  for (const [c, table] of tables.entries()) floats.set(table, tableAt / 4 + c * 256);
  if (channels === 3 && sC === 1) kernels().lookUpRgb(at, sH, sW, height, width, tableAt, outAt);
  else
    for (let c = 0; c < channels; c++)
      kernels().lookUp(at + c * sC, sH, sW, height, width, tableAt + c * 1024, outAt + c * height * width * 4);
  values.set(floats.subarray(outAt / 4, outAt / 4 + values.length));
}
