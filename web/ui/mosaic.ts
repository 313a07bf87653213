/** Small images side by side on one canvas. */

/** A color as one number, as the pixels of a canvas keep it. */
export const packed = ([r, g, b]: readonly number[]): number =>
  ((255 << 24) | (Math.round(b!) << 16) | (Math.round(g!) << 8) | Math.round(r!)) >>> 0;

export interface Tiles {
  readonly count: number;
  readonly columns: number;
  /** Size of a tile, and pixels between tiles. */
  readonly width: number;
  readonly height: number;
  readonly gap: number;
}

/**
 * Fills a canvas with tiles, whose pixels come from `colorAt` as packed colors.
 *
 * They are put onto the canvas together: many small drawings keep the page's thread waiting.
 */
export function paintTiles(
  canvas: HTMLCanvasElement,
  { count, columns: most, width, height, gap }: Tiles,
  colorAt: (tile: number, x: number, y: number) => number,
): void {
  const columns = Math.min(most, count);
  const across = columns * (width + gap) - gap;
  const down = Math.ceil(count / columns) * (height + gap) - gap;
  // a canvas that gets a size is cleared, and laid out again
  if (canvas.width !== across || canvas.height !== down) Object.assign(canvas, { width: across, height: down });
  const image = new ImageData(across, down);
  const pixels = new Uint32Array(image.data.buffer);
  for (let tile = 0; tile < count; tile++) {
    const start = Math.floor(tile / columns) * (height + gap) * across + (tile % columns) * (width + gap);
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) pixels[start + y * across + x] = colorAt(tile, x, y);
  }
  canvas.getContext("2d")!.putImageData(image, 0, 0);
}
