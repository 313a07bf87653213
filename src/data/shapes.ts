/**
 * A generated set of coloured images with ten shapes: needs no download, runs everywhere.
 *
 * Each image is a function of (seed, split, index). Position, size, rotation, colours, the background's gradient and
 * stripes, strokes across the image, and noise vary; only the outline shows the class.
 */
import { check, checkOptions } from "../graph/index.ts";
import { Random } from "../random.ts";
import { type DatasetSource, type MemoryDataset, memoryDataset, sharedBytes } from "./dataset.ts";

/** Signed distance to an outline in the shape's own frame, where it fills about a unit circle: negative is inside. */
type Distance = (x: number, y: number) => number;

const { abs, cos, max, min, PI, sin, sqrt } = Math;

/** As `Math.hypot`, which guards against overflow and is many times slower. */
function hypot(x: number, y: number): number {
  return sqrt(x * x + y * y);
}

function box(x: number, y: number, halfWidth: number, halfHeight: number): number {
  const dx = abs(x) - halfWidth;
  const dy = abs(y) - halfHeight;
  return min(max(dx, dy), 0) + hypot(max(dx, 0), max(dy, 0));
}

/** A triangle of equal sides, each `apothem` from the centre, with one corner up. */
function triangle(x: number, y: number, apothem: number): number {
  return max(-y, y / 2 + (abs(x) * sqrt(3)) / 2) - apothem;
}

/** Star of five points: folded to one half of one point, then the distance to its edge. */
function star(x: number, y: number): number {
  const sector = (2 * PI) / 5;
  const radius = hypot(x, y);
  const angle = abs(((Math.atan2(x, y) + 2 * PI + sector / 2) % sector) - sector / 2);
  const [px, py] = [radius * sin(angle), radius * cos(angle)];
  const [innerX, innerY] = [0.42 * sin(sector / 2), 0.42 * cos(sector / 2)];
  const [ex, ey] = [innerX, innerY - 1]; // along the edge, from the tip (0, 1) to the inner corner
  const length = hypot(ex, ey);
  return (px * -ey + (py - 1) * ex) / length;
}

/** Ten outlines; no two are turned or stretched versions of each other. */
const SHAPES: Readonly<Record<string, Distance>> = {
  circle: (x, y) => hypot(x, y) - 0.85,
  ring: (x, y) => abs(hypot(x, y) - 0.7) - 0.2,
  square: (x, y) => box(x, y, 0.72, 0.72),
  bar: (x, y) => box(x, y, 1, 0.3),
  triangle: (x, y) => triangle(x, y, 0.5),
  cross: (x, y) => min(box(x, y, 0.95, 0.28), box(x, y, 0.28, 0.95)),
  star,
  crescent: (x, y) => max(hypot(x, y) - 0.92, 0.72 - hypot(x - 0.48, y)),
  half: (x, y) => max(hypot(x, y + 0.35) - 0.95, -(y + 0.35)),
  arrow: (x, y) => min(box(x + 0.35, y, 0.6, 0.2), triangle(y, x - 0.3, 0.36)),
};

/** Names of the ten classes of `shapes`, in the order of their labels. */
export const SHAPE_CLASSES = Object.keys(SHAPES);

type Colour = readonly [r: number, g: number, b: number];

function randomColour(random: Random): Colour {
  return [random.uniform() * 255, random.uniform() * 255, random.uniform() * 255];
}

function contrast(a: Colour, b: Colour): number {
  return sqrt((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2);
}

/** Options of `shapes`. */
export interface ShapesOptions {
  /** How many images; the classes take turns. Default: 10,000 for training and 2,000 for testing. */
  readonly length?: number | undefined;
  readonly split?: "train" | "test" | undefined;
  readonly seed?: number | undefined;
  /** Height and width of an image, 8 … 512 pixels. Default 32. */
  readonly size?: number | undefined;
}

/** Largest side, in pixels: what is larger is rather meant as a count. */
const MAX_SIZE = 512;

/**
 * Generates the set, each image when it is first read. Ten thousand images of 32×32 take about a second.
 *
 *     shapes({ split: "test", length: 500, size: 48 }) → 500 images [3, 48, 48]
 */
export function shapes(options: ShapesOptions = {}): MemoryDataset {
  checkOptions("shapes", options, ["length", "split", "seed", "size"]);
  const { split = "train", seed = 0, size = 32, length } = options;
  const count = length ?? (split === "train" ? 10_000 : 2_000);
  check(split === "train" || split === "test", () => `shapes: split has to be "train" or "test", but is ${split}`);
  check(Number.isInteger(count) && count >= 1, () => `shapes: length has to be a whole number ≥ 1, but is ${count}`);
  check(
    Number.isInteger(size) && size >= 8 && size <= MAX_SIZE,
    () => `shapes: size is the side of an image, 8 to ${MAX_SIZE} pixels, but is ${size}; how many images: length`,
  );
  const labels = Int32Array.from({ length: count }, (_, i) => i % SHAPE_CLASSES.length);
  const images = sharedBytes(count * 3 * size * size);
  const stored = { name: "shapes", classes: SHAPE_CLASSES, images, labels, shape: [3, size, size] } as const;
  return generatedShapes({ seed, split, made: sharedBytes(count), stored });
}

/** What is known of images that are made when they are first read. */
type Generated = NonNullable<Extract<DatasetSource, { readonly kind: "memory" }>["generated"]>;

/**
 * A set of shapes whose images are not made yet, but for those that `made` says. Both lie in shared memory, so that threads make
 * those that they read, and each is there for all.
 */
export function generatedShapes(generated: Generated): MemoryDataset {
  const { seed, split, made, stored } = generated;
  const [channels, size] = stored.shape;
  const bytes = new Uint8ClampedArray(stored.images.buffer);
  const canvas = new Float32Array(channels * size * size);
  const makeOnce = (i: number) => {
    if (Atomics.load(made, i)) return;
    const shape = SHAPES[SHAPE_CLASSES[i % SHAPE_CLASSES.length]!]!;
    paint(canvas, size, shape, new Random(seed, "shapes", split, i));
    bytes.set(canvas, i * canvas.length);
    Atomics.store(made, i, 1);
  };
  const set = memoryDataset(stored);
  const memory = {
    ...set.memory,
    get images() {
      for (let i = 0; i < made.length; i++) makeOnce(i);
      return stored.images;
    },
  };
  return {
    ...set,
    memory,
    source: { kind: "memory", memory, generated },
    get(i) {
      const sample = set.get(i);
      makeOnce(i);
      return sample;
    },
  };
}

/** One image, canvas [3, size, size] in 0 … 255. */
function paint(canvas: Float32Array, size: number, distance: Distance, random: Random): void {
  const background = randomColour(random);
  let colour = randomColour(random);
  while (contrast(colour, background) < 120) colour = randomColour(random);
  paintBackground(canvas, size, background, random);
  for (let strokes = random.integer(3); strokes > 0; strokes--) paintStroke(canvas, size, randomColour(random), random);
  paintShape(canvas, size, distance, colour, random);
  if (random.uniform() < 0.3) paintStroke(canvas, size, randomColour(random), random);
  addNoise(canvas, random);
}

/** A colour that changes along one direction, with faint stripes along another. */
function paintBackground(canvas: Float32Array, size: number, [r, g, b]: Colour, random: Random): void {
  const slope = random.uniform() * 2 * PI;
  const [changeR, changeG, changeB] = randomColour(random).map((channel) => (channel - 128) * 0.7) as [
    number,
    number,
    number,
  ];
  const stripes = random.uniform() * 2 * PI;
  const frequency = 2 * PI * (2 + random.uniform() * 10);
  const strength = random.uniform() * 22;
  const [slopeX, slopeY] = [cos(slope), sin(slope)];
  const [stripesX, stripesY] = [frequency * cos(stripes), frequency * sin(stripes)];
  const area = size * size;
  for (let y = 0, i = 0; y < size; y++) {
    for (let x = 0; x < size; x++, i++) {
      const u = x / size - 0.5;
      const v = y / size - 0.5;
      const along = u * slopeX + v * slopeY;
      const stripe = strength * sin(u * stripesX + v * stripesY);
      canvas[i] = r + along * changeR + stripe;
      canvas[area + i] = g + along * changeG + stripe;
      canvas[2 * area + i] = b + along * changeB + stripe;
    }
  }
}

/** The shape: 9 to 14 pixels in radius on 32, anywhere that it fits, at any angle, a little stretched. */
function paintShape(canvas: Float32Array, size: number, distance: Distance, colour: Colour, random: Random): void {
  const radius = size * (0.28 + 0.16 * random.uniform());
  const room = max(0, size / 2 - radius);
  const centerX = size / 2 + room * (2 * random.uniform() - 1);
  const centerY = size / 2 + room * (2 * random.uniform() - 1);
  const angle = random.uniform() * 2 * PI;
  const stretch = 0.88 + 0.24 * random.uniform();
  const [cosine, sine] = [cos(angle) / radius, sin(angle) / radius];
  overlay(canvas, size, colour, (x, y) => {
    const [u, v] = [x - centerX, y - centerY];
    return radius * distance((u * cosine + v * sine) / stretch, (v * cosine - u * sine) * stretch);
  });
}

/** A thin line through the image. */
function paintStroke(canvas: Float32Array, size: number, colour: Colour, random: Random): void {
  const angle = random.uniform() * PI;
  const offset = (random.uniform() - 0.5) * size;
  const halfWidth = size * (0.012 + 0.02 * random.uniform());
  const [cosine, sine] = [cos(angle), sin(angle)];
  overlay(canvas, size, colour, (x, y) => {
    return abs((x - size / 2) * cosine + (y - size / 2) * sine - offset) - halfWidth;
  });
}

/** Lays a colour over what is inside; the edge, a pixel wide, is mixed by how much of it is covered. */
function overlay(canvas: Float32Array, size: number, [r, g, b]: Colour, distance: Distance): void {
  const area = size * size;
  for (let y = 0, i = 0; y < size; y++) {
    for (let x = 0; x < size; x++, i++) {
      const cover = min(1, 0.5 - distance(x + 0.5, y + 0.5));
      if (cover <= 0) continue;
      canvas[i]! += cover * (r - canvas[i]!);
      canvas[area + i]! += cover * (g - canvas[area + i]!);
      canvas[2 * area + i]! += cover * (b - canvas[2 * area + i]!);
    }
  }
}

/** Noise of up to 14 levels (standard deviation) in each channel. */
function addNoise(canvas: Float32Array, random: Random): void {
  // A sum of three uniform numbers, ten bits each of one draw: near enough to normal, variance 3/12 of 1024².
  const scale = (14 * random.uniform() * 2) / 1024;
  for (let i = 0; i < canvas.length; i++) {
    const bits = random.bits();
    canvas[i]! += scale * ((bits & 1023) + ((bits >>> 10) & 1023) + ((bits >>> 20) & 1023) - 1534.5);
  }
}
