/** Resampling, geometry and colours give the bytes that PIL and torchvision give. */
import { describe, expect, test, vi } from "vitest";
import { adjustBrightness, adjustContrast, adjustHue, adjustSaturation, rgbToGrayscale } from "../../src/data/color.ts";
import { centerCrop, hflip, pad, resize, resizedSize } from "../../src/data/geometry.ts";
import { type Image, interleaved, toInterleaved } from "../../src/data/image.ts";
import { pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { type PilCase, pil, testPicture } from "./pil.ts";

vi.setConfig({ testTimeout: 60_000 }); // other processes may want the cores, too

interface Case extends PilCase {
  readonly ours: Image;
}

function compare(cases: readonly Case[]): void {
  for (const [i, theirs] of pil(cases).entries()) {
    const { expression, image, ours } = cases[i]!;
    const what = `${expression} of ${image.height}×${image.width}×${image.channels}`;
    expect([ours.height, ours.width, ours.channels], what).toEqual([theirs.height, theirs.width, theirs.channels]);
    let largest = 0;
    const ourBytes = toInterleaved(ours);
    for (const [j, byte] of theirs.data.entries()) largest = Math.max(largest, Math.abs(byte - ourBytes[j]!));
    expect(largest, `${what}: largest difference in bytes`).toBe(0);
  }
}

describe("pictures against PIL", unless(pythonSkipReason("PIL", "torchvision", "numpy")), () => {
  test("resize: antialiased bilinear and bicubic, up and down", () => {
    const sizes = [
      [
        [7, 5],
        [13, 31],
      ],
      [
        [32, 32],
        [224, 224],
      ],
      [
        [375, 500],
        [256, 341],
      ],
      [
        [240, 169],
        [363, 256],
      ],
      [
        [1, 1],
        [4, 6],
      ],
      [
        [100, 3],
        [7, 3],
      ],
      [
        [64, 64],
        [64, 20],
      ],
      [
        [300, 200],
        [1, 1],
      ],
    ] as const; // prettier-ignore
    const cases = sizes.flatMap(([[height, width], [toHeight, toWidth]]) =>
      ([1, 3] as const).flatMap((channels) =>
        (["bilinear", "bicubic"] as const).map((kernel) => {
          const image = testPicture(height, width, channels);
          const expression = `image.resize((${toWidth}, ${toHeight}), Image.${kernel.toUpperCase()})`;
          return { image, expression, ours: resize(image, toHeight, toWidth, kernel) };
        }),
      ),
    );
    compare(cases);
  });

  test("resize by the shorter side, with and without a bound", () => {
    const cases = [
      [20, 33, 16],
      [33, 20, 16],
      [21, 64, 40],
      [17, 17, 9],
      [10, 47, 7],
    ].flatMap(([h, w, size]) =>
      [undefined, size! * 2].map((maxSize) => {
        const image = testPicture(h!, w!);
        const [height, width] = resizedSize(image, size!, maxSize);
        const expression = `T.Resize(${size}, max_size=${maxSize ?? "None"})(image)`;
        return { image, expression, ours: resize(image, height, width) };
      }),
    ); // prettier-ignore
    compare(cases);
  });

  test("center crop: odd margins, and pictures smaller than the crop", () => {
    const cases = [
      [9, 8, 4, 4],
      [9, 12, 4, 5],
      [11, 10, 4, 3],
      [3, 3, 8, 6],
      [5, 20, 8, 8],
      [1, 1, 2, 2],
    ].map(([h, w, height, width]) => {
      const image = testPicture(h!, w!);
      const expression = `F.center_crop(image, [${height}, ${width}])`;
      return { image, expression, ours: centerCrop(image, height!, width!) };
    }); // prettier-ignore
    compare(cases);
  });

  test("pad and flip", () => {
    const modes = ["constant", "edge", "reflect", "symmetric"] as const;
    const image = testPicture(6, 9);
    compare([
      ...modes.map((mode) => ({
        image,
        expression: `F.pad(image, [3, 1, 4, 2], padding_mode="${mode}")`,
        ours: pad(image, [3, 1, 4, 2], { mode }),
      })),
      {
        image,
        expression: "F.pad(image, [2, 2, 2, 2], fill=(10, 20, 30))",
        ours: pad(image, [2, 2, 2, 2], { fill: [10, 20, 30] }),
      },
      { image, expression: "F.hflip(image)", ours: hflip(image) },
    ]);
  });

  test("brightness, contrast, saturation, greyscale", () => {
    const factors = [0, 0.1, 0.37, 1, 1.4, 2.5];
    const operations = { brightness: adjustBrightness, contrast: adjustContrast, saturation: adjustSaturation };
    const cases = ([1, 3] as const).flatMap((channels) =>
      Object.entries(operations).flatMap(([name, adjust]) =>
        factors.map((factor) => {
          const image = testPicture(30, 23, channels);
          return { image, expression: `F.adjust_${name}(image, ${factor})`, ours: adjust(image, factor) };
        }),
      ),
    );
    const image = testPicture(30, 23);
    compare([
      ...cases,
      ...([1, 3] as const).map((outputs) => ({
        image,
        expression: `F.to_grayscale(image, ${outputs})`,
        ours: rgbToGrayscale(image, outputs),
      })),
    ]);
  });

  test("hue, over a grid of all colours", () => {
    const levels = Array.from({ length: 32 }, (_, i) => Math.round((i * 255) / 31));
    const colours = Uint8Array.from(levels.flatMap((r) => levels.flatMap((g) => levels.flatMap((b) => [r, g, b]))));
    const image = interleaved(colours, 32 * 32, 32);
    const factors = [-0.5, -0.37, -0.1, 0, 0.05, 0.25, 0.5];
    compare(
      factors.map((factor) => ({
        image,
        expression: `F.adjust_hue(image, ${factor})`,
        ours: adjustHue(image, factor),
      })),
    );
  });
});
