/** What newcomers gave data sets and transforms. */
import { expect, it } from "vitest";
import {
  applyTransforms,
  compileTransforms,
  dataLoader,
  interleaved,
  memoryDataset,
  shapes,
} from "../../src/data/index.ts";

const PREPROCESSING = [{ resize: { size: 256 } }, { centerCrop: { size: 224 } }] as const;

it.each([
  ["tall", 1, 20_000],
  ["wide", 20_000, 1],
])("a %s image is cropped before it is enlarged", (_, width, height) => {
  const image = interleaved(new Uint8Array(width * height * 3).fill(128), height, width);
  const started = performance.now();
  const { shape, data } = applyTransforms(compileTransforms([...PREPROCESSING, "toTensor"]), image);
  expect(shape).toEqual([3, 224, 224]);
  expect(data[100]).toBeCloseTo(128 / 255, 5);
  // all of it would be 1.3 billion pixels
  expect(performance.now() - started).toBeLessThan(5000);
});

it("a function is no transform, and the message says where it may stand", () => {
  const load = (step: unknown) => () =>
    dataLoader(shapes({ length: 8 }), { batchSize: 8, transforms: [step as never] });
  expect(load((image: unknown) => image)).toThrow(
    "transforms[0]: transforms are data, so that workers and configuration files can hold them, but this is a function; use resize,",
  );
  expect(load((image: unknown) => image)).toThrow("or transform the images in the data set's get(index)");
  expect(load("flip")).toThrow('transforms[0]: there is no transform "flip"');
});

it("images in a list are no bytes", () => {
  const image = { width: 2, height: 2, channels: 3, data: new Float32Array(12) };
  expect(() => memoryDataset({ name: "x", classes: ["a"], images: [image], labels: [0] } as never)).toThrow(
    "memoryDataset: it needs images, bytes [M, C, H, W] in a Uint8Array, and shape: [C, H, W]",
  );
});
