/** Properties of crops, flips and padding that hold for every picture. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { centerCrop, crop, hflip, pad, resize, resizedCenter } from "../../src/data/geometry.ts";
import { type Image, interleaved, planar, toInterleaved } from "../../src/data/image.ts";
import { resample } from "../../src/data/resample.ts";
import { compileTransforms } from "../../src/data/transforms.ts";
import { Random } from "../../src/random.ts";

const pictures = fc
  .record({
    height: fc.integer({ min: 1, max: 12 }),
    width: fc.integer({ min: 1, max: 12 }),
    channels: fc.constantFrom(1, 3),
    byPlanes: fc.boolean(),
  })
  .chain(({ height, width, channels, byPlanes }) =>
    fc
      .uint8Array({ minLength: height * width * channels, maxLength: height * width * channels })
      .map((data) => (byPlanes ? planar(data, channels, height, width) : interleaved(data, height, width, channels))),
  );

function pixel({ data, offset, strides }: Image, c: number, y: number, x: number): number {
  return data[offset + c * strides[0] + y * strides[1] + x * strides[2]]!;
}

const bytes = (image: Image) => Array.from(toInterleaved(image));

describe("views", () => {
  test("a pixel of a crop is the pixel of the picture at its place, also of a flipped one", () => {
    fc.assert(
      fc.property(pictures, fc.infiniteStream(fc.nat()), fc.boolean(), (image, numbers, flip) => {
        const draw = (bound: number) => numbers.next().value! % bound;
        const height = 1 + draw(image.height);
        const width = 1 + draw(image.width);
        const top = draw(image.height - height + 1);
        const left = draw(image.width - width + 1);
        const view = crop(flip ? hflip(image) : image, { top, left, height, width });
        const [c, y, x] = [draw(image.channels), draw(height), draw(width)];
        const column = flip ? image.width - 1 - (left + x) : left + x;
        expect(pixel(view, c, y, x)).toBe(pixel(image, c, top + y, column));
      }),
    );
  });

  test("flipping twice is nothing", () => {
    fc.assert(
      fc.property(pictures, (image) => {
        expect(bytes(hflip(hflip(image)))).toEqual(bytes(image));
      }),
    );
  });

  test("a crop that does not fit says so", () => {
    const image = interleaved(new Uint8Array(12), 2, 2);
    expect(() => crop(image, { top: 1, left: 0, height: 2, width: 1 })).toThrow(
      "crop: 2×1 at (1, 0) does not lie inside",
    );
  });
});

describe("padding", () => {
  test("cropping a padded picture back gives the picture", () => {
    const border = fc.tuple(fc.nat(4), fc.nat(4), fc.nat(4), fc.nat(4));
    const modes = fc.constantFrom("constant" as const, "edge" as const);
    fc.assert(
      fc.property(pictures, border, modes, (image, [left, top, right, bottom], mode) => {
        const padded = pad(image, [left, top, right, bottom], { mode, fill: 9 });
        expect([padded.height, padded.width]).toEqual([image.height + top + bottom, image.width + left + right]);
        const { height, width } = image;
        expect(bytes(crop(padded, { top, left, height, width }))).toEqual(bytes(image));
      }),
    );
  });

  test("what cannot be mirrored is an error", () => {
    const image = interleaved(new Uint8Array(12), 2, 2);
    expect(() => pad(image, [2, 0, 0, 0], { mode: "reflect" })).toThrow("pad: reflect needs a padding smaller");
    expect(() => pad(image, [0, 0, 0, 3], { mode: "symmetric" })).toThrow(
      "pad: symmetric needs a padding no larger than",
    );
    expect(() => pad(image, [1, 1, 1, 1], { fill: [1, 2] })).toThrow("fill has 2 values, but the image has 3 channels");
  });
});

describe("resampling", () => {
  const sizes = fc.integer({ min: 1, max: 30 });
  const kernels = fc.constantFrom("bilinear" as const, "bicubic" as const);

  test("a picture of one colour keeps it", () => {
    fc.assert(
      fc.property(sizes, sizes, sizes, sizes, fc.nat(255), kernels, (h, w, height, width, value, kernel) => {
        const out = resample(interleaved(new Uint8Array(h * w * 3).fill(value), h, w), [height, width], kernel);
        expect(new Set(bytes(out))).toEqual(new Set([value]));
      }),
    );
  });

  test("storage order does not matter, and the same size changes nothing", () => {
    fc.assert(
      fc.property(pictures, sizes, sizes, kernels, (image, height, width, kernel) => {
        const copy = interleaved(toInterleaved(image).slice(), image.height, image.width, image.channels);
        expect(bytes(resize(image, height, width, kernel))).toEqual(bytes(resize(copy, height, width, kernel)));
        expect(bytes(resample(image, [image.height, image.width], kernel))).toEqual(bytes(image));
      }),
    );
  });

  test("a center crop of a resized image has the same bytes if only the crop is computed", () => {
    const smaller = fc.integer({ min: 1, max: 34 });
    fc.assert(
      fc.property(pictures, sizes, sizes, smaller, smaller, kernels, (image, height, width, cropH, cropW, kernel) => {
        const whole = centerCrop(resize(image, height, width, kernel), cropH, cropW);
        const part = resizedCenter(image, [height, width], [cropH, cropW], kernel);
        expect([part.height, part.width, bytes(part)]).toEqual([whole.height, whole.width, bytes(whole)]);
      }),
      { numRuns: 300 },
    );
  });

  test("of a line of 20,000 pixels computes the crop only, and refuses to make gigabytes", () => {
    const line = interleaved(
      Uint8Array.from({ length: 60_000 }, (_, i) => i % 251),
      1,
      20_000,
    );
    const column = interleaved(line.data, 20_000, 1);
    for (const image of [line, column]) {
      const started = performance.now();
      const { pixels } = compileTransforms([{ resize: { size: 256 } }, { centerCrop: { size: 224 } }]);
      const cropped = pixels(image, new Random(0));
      expect([cropped.height, cropped.width, cropped.data.length]).toEqual([224, 224, 224 * 224 * 3]);
      expect(performance.now() - started).toBeLessThan(2000);
      const resizeOnly = compileTransforms([{ resize: { size: 256 } }]);
      expect(() => resizeOnly.pixels(image, new Random(0))).toThrow(
        /pixels would become .*, more than 178956970 pixels/,
      );
    }
  });

  test("bilinear commutes with a flip", () => {
    fc.assert(
      fc.property(pictures, sizes, sizes, (image, height, width) => {
        const after = bytes(hflip(resize(image, height, width)));
        for (const [i, byte] of bytes(resize(hflip(image), height, width)).entries()) {
          expect(Math.abs(byte - after[i]!)).toBeLessThanOrEqual(1); // weights are rounded one by one
        }
      }),
    );
  });
});

test("a center crop has the size asked for", () => {
  const size = fc.integer({ min: 1, max: 20 });
  fc.assert(
    fc.property(pictures, size, size, (image, height, width) => {
      const out = centerCrop(image, height, width);
      expect([out.height, out.width, out.channels]).toEqual([height, width, image.channels]);
    }),
  );
});

test("bytes that do not make the picture are an error", () => {
  expect(() => interleaved(new Uint8Array(10), 2, 2)).toThrow("an image [2, 2, 3] takes 12 bytes, but 10 were given");
  expect(() => planar(new Uint8Array(10), 1, 3, 3)).toThrow("an image [1, 3, 3] takes 9 bytes, but 10 were given");
});
