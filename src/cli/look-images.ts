/** What `look` writes, as pixels. */
import { colorScale, viridis } from "../draw/index.ts";
import { check, type TensorData } from "../graph/index.ts";

/** Pixels [height, width, 3]. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

const GAP = 4;
/** Side in pixels of a map in the image, at least, and of an image that something is laid over. */
const MAP_SIDE = 96;
const IMAGE_SIDE = 448;
/** Width of the image to which rows of maps are broken. */
const WIDTH = 1600;

function blank(width: number, height: number): Raster {
  return { width, height, data: new Uint8Array(width * height * 3).fill(255) };
}

/** All maps of a layer [1, C, h, w] on one color scale, from left to right and top to bottom; a vector [1, K] as a strip of cells. */
export function mapsImage({ shape, data }: TensorData<"float32">): Raster {
  const isMaps = shape.length === 4;
  const C = shape[1] ?? 1;
  const [h = 1, w = 1] = isMaps ? shape.slice(2) : [];
  check(isMaps || shape.length === 2, () => `look: the layer gives [${shape}]; maps are [1, C, h, w], vectors [1, K]`);
  const k = Math.max(1, Math.ceil((isMaps ? MAP_SIDE : 12) / Math.max(h, w)));
  const gap = isMaps ? GAP : 1;
  const columns = Math.max(1, Math.min(C, Math.floor((WIDTH + gap) / (w * k + gap))));
  const raster = blank(columns * (w * k + gap) - gap, Math.ceil(C / columns) * (h * k + gap) - gap);
  const scale = colorScale(data);
  for (let c = 0; c < C; c++) {
    const [left, top] = [(c % columns) * (w * k + gap), Math.floor(c / columns) * (h * k + gap)];
    for (let y = 0; y < h * k; y++)
      for (let x = 0; x < w * k; x++) {
        const value = data[(c * h + Math.floor(y / k)) * w + Math.floor(x / k)]!;
        raster.data.set(scale.color(value), 3 * ((top + y) * raster.width + left + x));
      }
  }
  return raster;
}

/** Numbers of a map [h, w] between its pixels. */
function bilinear(
  data: ArrayLike<number>,
  [h, w]: readonly [number, number],
  [v, u]: readonly [number, number],
): number {
  const along = (at: number, size: number) => {
    const place = Math.max(0, Math.min(size - 1, at * size - 0.5));
    const from = Math.min(size - 1, Math.floor(place));
    return [from, Math.min(size - 1, from + 1), place - from] as const;
  };
  const [top, bottom, dy] = along(v, h);
  const [left, right, dx] = along(u, w);
  const row = (y: number) => data[y * w + left]! * (1 - dx) + data[y * w + right]! * dx;
  return row(top) * (1 - dy) + row(bottom) * dy;
}

/** The channels of an image [1, C, H, W] as bytes; its darkest and brightest number become black and white. */
function bytesOf({ shape, data }: TensorData<"float32">): (pixel: number, channel: number) => number {
  const [, C = 1, H = 1, W = 1] = shape;
  const [low, high] = (data as Float32Array).reduce(
    ([least, most], value) => [Math.min(least, value), Math.max(most, value)] as [number, number],
    [Infinity, -Infinity] as [number, number],
  );
  const scale = 255 / (high - low || 1);
  return (pixel, channel) => (data[(C === 1 ? 0 : channel) * H * W + pixel]! - low) * scale;
}

/** Share of the largest numbers that get the strongest color in a fine map, whose few largest would leave all others dark. */
const OUTLIERS = 0.005;

/** A map [1, h, w] in viridis over the grey image [1, C, H, W]: the more, the less of the image is seen. */
export function overlayImage(
  image: TensorData<"float32">,
  { shape, data }: TensorData<"float32">,
  { isFine = false } = {},
): Raster {
  const [, , H = 1, W = 1] = image.shape;
  const [, h = 1, w = 1] = shape;
  const k = Math.max(1, Math.round(IMAGE_SIDE / Math.max(H, W)));
  const raster = blank(W * k, H * k);
  const byte = bytesOf(image);
  const sorted = Float32Array.from(data).sort();
  const most = Math.max(1e-12, sorted[Math.floor((sorted.length - 1) * (isFine ? 1 - OUTLIERS : 1))]!);
  for (let y = 0; y < H * k; y++)
    for (let x = 0; x < W * k; x++) {
      const pixel = Math.floor(y / k) * W + Math.floor(x / k);
      const grey = 0.299 * byte(pixel, 0) + 0.587 * byte(pixel, 1) + 0.114 * byte(pixel, 2);
      const value = bilinear(data, [h, w], [(y + 0.5) / (H * k), (x + 0.5) / (W * k)]);
      const share = Math.max(0, Math.min(1, value / most));
      const cover = Math.min(0.9, 0.35 + share * 0.6);
      const color = viridis(share).map((part) => part * cover + grey * (1 - cover));
      raster.data.set(color, 3 * (y * W * k + x));
    }
  return raster;
}

/** An image [1, C, H, W] that a channel responds to, its contrast brought to what a screen shows. */
export function respondImage({ shape, data }: TensorData<"float32">): Raster {
  const [, C = 1, H = 1, W = 1] = shape;
  const numbers = data as Float32Array;
  const mean = numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
  const deviation = Math.sqrt(numbers.reduce((sum, value) => sum + (value - mean) ** 2, 0) / numbers.length) || 1;
  const raster = blank(W, H);
  for (let i = 0; i < H * W; i++)
    for (let c = 0; c < 3; c++) {
      const value = 0.5 + 0.22 * ((numbers[(C === 1 ? 0 : c) * H * W + i]! - mean) / deviation);
      raster.data[3 * i + c] = Math.max(0, Math.min(255, 255 * value));
    }
  return raster;
}

/** Throws if sharp is not installed. */
export async function toPng({ width, height, data }: Raster): Promise<Uint8Array> {
  const sharp = await import("sharp").catch((cause: unknown) => {
    throw new Error("PNG images need the package sharp, which does not load here", { cause });
  });
  return sharp
    .default(data, { raw: { width, height, channels: 3 }, limitInputPixels: false })
    .png()
    .toBuffer();
}
