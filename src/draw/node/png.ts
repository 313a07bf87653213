import { check } from "../../graph/index.ts";

/** Longest side of an image that librsvg renders, in pixels. */
const LONGEST = 32_767;
/** Resolution at which a pixel of the drawing is a pixel of the image, in dots per inch. */
const DPI = 72;

/** Options of `renderPng`. */
export interface PngOptions {
  /** Pixels of the image for each pixel of the drawing. Default 2. */
  scale?: number;
}

/**
 * Renders a drawing made by `draw` as a PNG file, with the fonts of this machine. Theme `"auto"` comes out light.
 *
 * Throws if the scale is not positive, if the image would be larger than 32,767 pixels a side, or if sharp is not installed.
 */
export async function renderPng(svg: string, { scale = 2 }: PngOptions = {}): Promise<Uint8Array> {
  check(scale > 0, () => `renderPng: scale has to be positive, but is ${scale}`);
  const [, width, height] = /\bwidth="(\d+)" height="(\d+)"/.exec(svg) ?? [];
  check(width && height, () => "renderPng: this is not a drawing made by draw");
  const longest = Math.max(Number(width), Number(height));
  check(
    longest * scale <= LONGEST,
    () =>
      `renderPng: the image would be ${Math.round(longest * scale)} pixels a side, of at most ${LONGEST}; use a scale of at most ${Math.floor((100 * LONGEST) / longest) / 100}, or SVG`,
  );
  const sharp = await import("sharp").catch((cause: unknown) => {
    throw new Error("PNG images need the package sharp, which does not load here; write an .svg file instead", {
      cause,
    });
  });
  return sharp
    .default(Buffer.from(svg), { density: DPI * scale, limitInputPixels: false })
    .png()
    .toBuffer();
}
