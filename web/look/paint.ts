/** Numbers as pixels on a canvas. */
import { type ColorScale, viridis } from "convnets/draw";
import type { Overlay, Pixels } from "./protocol.ts";

/** Paints [h, w] numbers, a pixel each. */
export function paintMap(
  canvas: HTMLCanvasElement,
  data: Float32Array,
  [h, w]: readonly number[],
  scale: ColorScale,
): void {
  canvas.width = w!;
  canvas.height = h!;
  const context = canvas.getContext("2d")!;
  const image = context.createImageData(w!, h!);
  for (let i = 0; i < w! * h!; i++) {
    const [r, g, b] = scale.color(data[i]!);
    image.data.set([r, g, b, 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
}

export function paintPixels(canvas: HTMLCanvasElement, { width, height, data }: Pixels): void {
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d")!.putImageData(new ImageData(data, width, height), 0, 0);
}

/** Share of the largest numbers of a gradient that get the strongest color: a few pixels would leave all others dark. */
const OUTLIERS = 0.005;

/** Paints what counts: viridis where much does, and clear where nothing does. Smoothly enlarged by the page. */
export function paintOverlay(canvas: HTMLCanvasElement, { kind, data, height, width }: Overlay): void {
  canvas.width = width;
  canvas.height = height;
  const sorted = Float32Array.from(data).sort();
  const rank = kind === "gradient" ? Math.floor((data.length - 1) * (1 - OUTLIERS)) : data.length - 1;
  const most = Math.max(sorted[rank]!, 1e-12);
  const context = canvas.getContext("2d")!;
  const image = context.createImageData(width, height);
  for (let i = 0; i < data.length; i++) {
    const share = Math.min(1, Math.max(0, data[i]! / most));
    const [r, g, b] = viridis(share);
    image.data.set([r, g, b, 255 * Math.min(1, 0.35 + share * 0.9)], 4 * i);
  }
  context.putImageData(image, 0, 0);
}
