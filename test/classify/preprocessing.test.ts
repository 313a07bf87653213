import { expect, test } from "vitest";
import { imagenetPreprocessing, preprocess, ranked, usualPreprocessing } from "../../src/classify/index.ts";
import { applyTransforms, compileTransforms, interleaved, type Transform } from "../../src/data/index.ts";

/** The numbers of one pixel (10, 100, 200) after the steps. */
const pixel = (steps: readonly Transform[]) =>
  Array.from(applyTransforms(compileTransforms(steps), interleaved(Uint8Array.of(10, 100, 200), 1, 1)).data);

test("what is told replaces what was recorded, and only that", () => {
  const recorded = imagenetPreprocessing(32);
  expect(preprocess(recorded, {})).toEqual(recorded);
  const caffe = preprocess([], { mean: [103, 116, 123], scale: 1, bgr: true });
  expect(pixel(caffe).map((value) => Math.round(value * 1000) / 1000)).toEqual([97, -16, -113]);
  expect(pixel(preprocess([], { invert: true, scale: 1 })).map(Math.round)).toEqual([245, 155, 55]);
  expect(pixel(preprocess([], { mean: [1], scale: 1 / 127.5 }))[0]).toBeCloseTo(10 / 127.5 - 1, 6);
  expect(pixel(preprocess([], { gray: true, scale: 1 })).map(Math.round)).toEqual([84, 84, 84]);
});

test("sizes: the shorter side, both sides, a crop, and how", () => {
  const size = (told: Parameters<typeof preprocess>[1]) => preprocess(imagenetPreprocessing(224), told).slice(0, -2);
  expect(size({ resize: 240, interpolation: "bicubic" })).toEqual([
    { resize: { size: 240, interpolation: "bicubic" } },
    { centerCrop: { size: 224 } },
  ]);
  expect(size({ resize: [32, 48] })).toEqual([{ resize: { size: [32, 48] } }]);
  expect(size({ crop: 128 })).toEqual([{ resize: { size: 256 } }, { centerCrop: { size: 128 } }]);
});

test("augmentation stays where it was", () => {
  const steps = [
    { randomCrop: { size: 8 } },
    "randomHorizontalFlip",
    "toTensor",
    { normalize: { mean: [0], std: [1] } },
    "randomErasing",
  ] as const; // prettier-ignore
  const told = preprocess(steps, { bgr: true, mean: [0.5] });
  expect(told.map((step) => (typeof step === "string" ? step : Object.keys(step)[0]))).toEqual(
    ["randomCrop", "randomHorizontalFlip", "bgr", "toTensor", "normalize", "randomErasing"], // prettier-ignore
  );
  expect(() => compileTransforms(told)).not.toThrow();
});

test("what cannot be meant is an error", () => {
  expect(() => preprocess([], { mean: [1, 2, 3] }, 1)).toThrow("mean has 3 numbers, but the network takes 1 channel");
  expect(() => preprocess([], { bgr: true }, 1)).toThrow("gray images, which have no order of colors");
  expect(() => preprocess([], { std: [0] })).toThrow("every std has to be above 0");
});

test("the best has the highest top-1; the loss decides among those that are close, and ties are told", () => {
  const score = (name: string, top1: number, loss: number) => ({ name, told: {}, top1, loss });
  const scores = [score("far", 0.5, 0.1), score("loud", 0.91, 9), score("right", 0.9, 0.3), score("twin", 0.9, 0.31)];
  const { winner, tied, order } = ranked(scores, 400);
  expect([winner.name, tied.map(({ name }) => name), order.at(-1)!.name]).toEqual(["right", ["twin"], "far"]);
  for (const channels of [1, 3] as const)
    for (const { told } of usualPreprocessing(channels))
      expect(() => compileTransforms(preprocess([], told, channels))).not.toThrow();
});
