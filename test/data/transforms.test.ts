import { describe, expect, test } from "vitest";
import { interleaved } from "../../src/data/image.ts";
import { applyTransforms, compileTransforms, parseTransforms, type Transform } from "../../src/data/transforms.ts";
import { Random } from "../../src/random.ts";

const image = interleaved(
  Uint8Array.from({ length: 10 * 8 * 3 }, (_, i) => (i * 7) & 255),
  10,
  8,
);

const CIFAR_TRAIN: readonly Transform[] = [
  { randomCrop: { size: 8, padding: 2 } },
  "randomHorizontalFlip",
  { colorJitter: { brightness: 0.2, hue: 0.1 } },
  { normalize: { mean: [0.5], std: [0.25] } },
  { randomErasing: { value: "random" } },
];

describe("declared", () => {
  test("survives JSON, and fills in torchvision's defaults", () => {
    const parsed = parseTransforms(JSON.parse(JSON.stringify(CIFAR_TRAIN)));
    expect(parsed[1]).toEqual({ randomHorizontalFlip: { p: 0.5 } });
    expect(parsed[4]).toEqual({ randomErasing: { p: 0.5, scale: [0.02, 0.33], ratio: [0.3, 3.3], value: "random" } });
    expect(parseTransforms(parsed)).toEqual(parsed);
    expect(parseTransforms([{ randomResizedCrop: { size: 224 } }])).toEqual([
      { randomResizedCrop: { size: 224, scale: [0.08, 1], ratio: [3 / 4, 4 / 3], interpolation: "bilinear" } },
    ]);
  });

  test.each([
    ["a list", "resize", 'transforms: expected a list, got "resize"'],
    ["a known name", ["flip"], 'transforms[0]: there is no transform "flip"; the transforms are resize, centerCrop'],
    ["one name per entry", [{ resize: {}, pad: {} }], "transforms[0]: expected a name or { name: options }"],
    [
      "a size",
      [{ randomCrop: { size: "32px" } }],
      "transforms[0].randomCrop.size: expected a whole number of pixels ≥ 1",
    ],
    ["no unknown option", ["toTensor", { normalize: { mean: [0], std: [1], eps: 1 } }], "transforms[1].normalize.eps"],
    ["a deviation above 0", [{ normalize: { mean: [0], std: [0] } }], "transforms[0].normalize.std.0"],
    ["required options", ["resize"], "transforms[0].resize.size"],
    [
      "bytes before floats",
      ["toTensor", { centerCrop: { size: 4 } }],
      "transforms[1]: centerCrop cannot follow; the order is",
    ],
    [
      "erasing last",
      ["randomErasing", { normalize: { mean: [0], std: [1] } }],
      "transforms[1]: normalize cannot follow",
    ],
    ["a hue within half a circle", [{ colorJitter: { hue: 0.7 } }], "transforms[0].colorJitter.hue"],
    [
      "low ≤ high",
      [{ randomErasing: { scale: [0.5, 0.1] } }],
      "transforms[0].randomErasing.scale: expected [low, high]",
    ],
  ])("needs %s", (_, list, message) => {
    expect(() => parseTransforms(list)).toThrow(message);
  });
});

describe("applied", () => {
  test("the same key gives the same numbers, another key others", () => {
    const pipeline = compileTransforms(CIFAR_TRAIN);
    const run = (...key: number[]) => Array.from(applyTransforms(pipeline, image, new Random(1, ...key)).data);
    expect(run(0, 5)).toEqual(run(0, 5));
    expect(run(0, 5)).not.toEqual(run(0, 6));
    expect(run(0, 5)).not.toEqual(run(1, 5));
  });

  test("no transforms give [0, 1] floats [C, H, W]", () => {
    const { shape, data } = applyTransforms(compileTransforms([]), image);
    expect(shape).toEqual([3, 10, 8]);
    expect(data[0]).toBe(Math.fround(image.data[0]! / 255));
    expect(data[80]).toBe(Math.fround(image.data[1]! / 255)); // the second channel's first pixel
  });

  test("greyscale to three channels, and back to one", () => {
    const three = applyTransforms(compileTransforms([{ grayscale: { numOutputChannels: 3 } }]), image);
    const one = applyTransforms(compileTransforms(["grayscale"]), image);
    expect(three.shape).toEqual([3, 10, 8]);
    expect(Array.from(three.data)).toEqual([...one.data, ...one.data, ...one.data]);
  });

  test("a picture too small for its crop says what to do", () => {
    const { pixels } = compileTransforms([{ randomCrop: { size: 32 } }]);
    expect(() => pixels(image, new Random(0))).toThrow(
      "randomCrop: 32×32 does not fit into 10×8; resize before, or pad",
    );
  });

  test("means that do not go with the channels say what to do", () => {
    const pipeline = compileTransforms([{ normalize: { mean: [0, 0, 0], std: [1, 1, 1] } }]);
    const grey = interleaved(new Uint8Array(4), 2, 2, 1);
    expect(() => applyTransforms(pipeline, grey)).toThrow(
      "mean has 3 values, but the image has 1 channels; { grayscale:",
    );
  });

  test("erasing with p = 1 fills one box with the value in every channel", () => {
    const white = interleaved(new Uint8Array(3 * 400).fill(255), 20, 20);
    const pipeline = compileTransforms([{ randomErasing: { p: 1, value: [2, 3, 4] } }]);
    for (let seed = 0; seed < 50; seed++) {
      const { data } = applyTransforms(pipeline, white, new Random(seed));
      const erased = [0, 1, 2].map((c) => data.subarray(c * 400, (c + 1) * 400).filter((x) => x === c + 2).length);
      expect(new Set(erased).size).toBe(1);
      expect(erased[0]).toBeGreaterThan(0);
      expect(data.filter((x) => x === 1).length).toBe(1200 - 3 * erased[0]!);
    }
  });
});
