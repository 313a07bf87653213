/** Whole pipelines against torchvision's on the same photographs, and the distributions of the random transforms. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { cutmix, cutmixBox, mix, mixup, oneHot } from "../../src/data/mix.ts";
import {
  applyTransforms,
  compileTransforms,
  decodeFile,
  NORMALIZATION,
  type Transform,
} from "../../src/data/node/index.ts";
import { colorJitter, erasedBox, resizedCropBox } from "../../src/data/random-parameters.ts";
import { Random } from "../../src/random.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { sharedData, temporaryFolder } from "./support.ts";

vi.setConfig({ testTimeout: 60_000 }); // other processes may want the cores, too

const reason = pythonSkipReason("torch", "torchvision");
const photos = sharedData("photos");
const folder = temporaryFolder();

/** Two float32 roundings of the same formula may differ in the last bit. */
const FLOAT_TOLERANCE = 1e-6;

describe("evaluation pipelines on photographs", unless(reason ?? photos.reason), () => {
  const { mean, std } = NORMALIZATION.imagenet;
  const norm = `T.ToTensor(), T.Normalize(${JSON.stringify(mean)}, ${JSON.stringify(std)})`;
  const pipelines: [string, Transform[], string][] = [
    [
      "ImageNet, bilinear",
      [{ resize: { size: 256 } }, { centerCrop: { size: 224 } }, { normalize: { mean, std } }],
      `T.Resize(256), T.CenterCrop(224), ${norm}`,
    ],
    [
      "ImageNet, bicubic",
      [
        { resize: { size: 232, interpolation: "bicubic" } },
        { centerCrop: { size: 224 } },
        { normalize: { mean, std } },
      ],
      `T.Resize(232, interpolation=T.InterpolationMode.BICUBIC), T.CenterCrop(224), ${norm}`,
    ],
    ["exact size", [{ resize: { size: [100, 90] } }, "toTensor"], "T.Resize((100, 90)), T.ToTensor()"],
  ];
  test.each(pipelines)("%s", async (_, transforms, theirs) => {
    const names = readdirSync(photos.folder);
    const shapes = JSON.parse(
      python(
        `
import sys, json, torchvision.transforms as T
from PIL import Image
t, shapes = T.Compose([${theirs}]), []
for i, f in enumerate(sys.argv[3:]):
    y = t(Image.open(f"{sys.argv[2]}/{f}").convert("RGB")); y.numpy().tofile(f"{sys.argv[1]}/{i}.f32"); shapes.append(list(y.shape))
print(json.dumps(shapes))`,
        { args: [folder, photos.folder, ...names] },
      ),
    );
    const pipeline = compileTransforms(transforms);
    for (const [i, name] of names.entries()) {
      const { shape, data } = applyTransforms(pipeline, await decodeFile(join(photos.folder, name)));
      expect(shape).toEqual(shapes[i]);
      const bytes = readFileSync(join(folder, `${i}.f32`));
      const expected = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
      let largest = 0;
      for (const [j, x] of expected.entries()) largest = Math.max(largest, Math.abs(x - data[j]!));
      expect(largest, name).toBeLessThan(FLOAT_TOLERANCE);
    }
  });
});

interface Moments {
  readonly mean: number[];
  readonly std: number[];
}

/** Mean and standard deviation of each column. */
function moments(rows: readonly (readonly number[])[]): Moments {
  const columns = rows[0]!.map((_, c) => rows.map((row) => row[c]!));
  const mean = columns.map((column) => column.reduce((sum, x) => sum + x, 0) / rows.length);
  const std = columns.map((column, c) =>
    Math.sqrt(column.reduce((sum, x) => sum + (x - mean[c]!) ** 2, 0) / rows.length),
  );
  return { mean, std };
}

const DRAWS = 4000;
const ALPHAS = [0.2, 1, 2.5];

/** The same means and deviations within five standard errors (for the deviation: a tenth). */
function expectSameDistribution(ours: readonly (readonly number[])[], theirs: Moments): void {
  const { mean, std } = moments(ours);
  for (const [c, expected] of theirs.mean.entries()) {
    const error = (theirs.std[c]! * Math.SQRT2) / Math.sqrt(DRAWS);
    expect(Math.abs(mean[c]! - expected), `column ${c}: mean ${mean[c]} against ${expected}`).toBeLessThan(
      5 * error + 1e-9,
    );
    expect(Math.abs(std[c]! - theirs.std[c]!), `column ${c}: deviation`).toBeLessThan(0.1 * theirs.std[c]! + 1e-9);
  }
}

/** What is drawn in Python, for each test; one Python draws all, as it takes seconds to start. */
const DRAWN: Readonly<Record<string, string>> = {
  "60×80": crop(60, 80),
  "20×100": crop(20, 100),
  "100×9": crop(100, 9),
  RandomErasing: "T.RandomErasing.get_params(torch.zeros(3, 30, 40), (0.02, 0.33), (0.3, 3.3), [0.0])[:4]",
  RandomCrop: '[*T.RandomCrop.get_params(Image.new("L", (10, 10)), (4, 4))[:2], float(torch.rand(1) < 0.5)]',
  ColorJitter: `[${jitter("0.4")}, ${jitter("(0.5, 2.0)")}]`,
  ...Object.fromEntries(ALPHAS.map((alpha) => [`Beta ${alpha}`, dirichlet(alpha)])),
};

function crop(height: number, width: number): string {
  return `T.RandomResizedCrop.get_params(Image.new("L", (${width}, ${height})), [0.08, 1.0], [3/4, 4/3])`;
}

function jitter(range: string): string {
  return `T.ColorJitter(brightness=${range})(Image.new("L", (1, 1), 100)).getpixel((0, 0))`;
}

function dirichlet(alpha: number): string {
  return `[torch._sample_dirichlet(torch.tensor([${alpha}, ${alpha}], dtype=torch.float64))[0].item()]`;
}

function torchMoments(): Record<string, Moments> {
  const script = `
import json, sys, torch, torchvision.transforms as T, numpy as np
from PIL import Image

def moments(expression):
    torch.manual_seed(0)
    rows = np.array(eval(f"[{expression} for _ in range(${DRAWS})]"), dtype=np.float64)
    return {"mean": rows.mean(0).tolist(), "std": rows.std(0).tolist()}

print(json.dumps({name: moments(expression) for name, expression in json.load(sys.stdin).items()}))`;
  return JSON.parse(python(script, { input: JSON.stringify(DRAWN) }));
}

let theirs: Record<string, Moments>;
beforeAll(() => {
  if (!reason) theirs = torchMoments();
});

describe("what the random transforms draw", unless(reason), () => {
  test.each([
    [60, 80],
    [20, 100],
    [100, 9],
  ])("RandomResizedCrop of %i×%i", (height, width) => {
    const ours = Array.from({ length: DRAWS }, (_, i) => {
      const options = { scale: [0.08, 1], ratio: [3 / 4, 4 / 3] } as const;
      const box = resizedCropBox({ height, width }, options, new Random(0, i));
      return [box.top, box.left, box.height, box.width];
    });
    expectSameDistribution(ours, theirs[`${height}×${width}`]!);
  });

  test("RandomErasing", () => {
    const ours = Array.from({ length: DRAWS }, (_, i) => {
      const box = erasedBox([3, 30, 40], { scale: [0.02, 0.33], ratio: [0.3, 3.3] }, new Random(0, i))!;
      return [box.top, box.left, box.height, box.width];
    });
    expectSameDistribution(ours, theirs.RandomErasing!);
  });

  test("RandomCrop and flips are uniform", () => {
    // A picture whose pixel says its place: the corner of the crop is read off the result.
    const data = Uint8Array.from({ length: 100 }, (_, i) => i);
    const image = { data, channels: 1, height: 10, width: 10, offset: 0, strides: [100, 10, 1] } as const;
    const { pixels } = compileTransforms([{ randomCrop: { size: 4 } }, "randomHorizontalFlip"]);
    const ours = Array.from({ length: DRAWS }, (_, i) => {
      const crop = pixels(image, new Random(0, i));
      const flipped = crop.strides[2] < 0;
      const corner = data[crop.offset + (flipped ? 3 * crop.strides[2] : 0)]!;
      return [Math.floor(corner / 10), corner % 10, flipped ? 1 : 0];
    });
    expectSameDistribution(ours, theirs.RandomCrop!);
  });

  test("ColorJitter: factors, and every order of the four", () => {
    const seen = new Set<string>();
    for (let i = 0; i < 200; i++) seen.add(new Random(i).permutation(4).join());
    expect(seen.size).toBe(24);
    const image = {
      data: Uint8Array.of(100),
      channels: 1,
      height: 1,
      width: 1,
      offset: 0,
      strides: [1, 1, 1],
    } as const;
    const none = { brightness: 0, contrast: 0, saturation: 0, hue: 0 };
    const ours = Array.from({ length: DRAWS }, (_, i) => [
      colorJitter(image, { ...none, brightness: 0.4 }, new Random(0, i)).data[0]!,
      colorJitter(image, { ...none, brightness: [0.5, 2] }, new Random(1, i)).data[0]!,
    ]);
    expectSameDistribution(ours, theirs.ColorJitter!);
  });
});

describe("mixing of batches", unless(reason), () => {
  const shape = [5, 3, 6, 8] as const;
  const batch = () => ({
    images: Float32Array.from({ length: 5 * 3 * 6 * 8 }, (_, i) => Math.sin(i)),
    shape,
    targets: oneHot(Int32Array.of(0, 2, 1, 2, 3), 4),
  });

  /** `body` works on images x, their predecessors r, targets t and s. */
  function torchMix(body: string): { images: number[]; targets: number[] } {
    const { images } = batch();
    const script = `
import torch, json, sys

x = torch.tensor(json.load(sys.stdin)).reshape(5, 3, 6, 8)
t = torch.nn.functional.one_hot(torch.tensor([0, 2, 1, 2, 3]), 4).float()
r, s = x.roll(1, 0), t.roll(1, 0)
${body}
print(json.dumps({"images": x.flatten().tolist(), "targets": t.flatten().tolist()}))`;
    return JSON.parse(python(script, { input: JSON.stringify(Array.from(images)) }));
  }

  function expectClose(ours: Float32Array, theirs: readonly number[]): void {
    expect(ours.length).toBe(theirs.length);
    for (const [i, x] of theirs.entries()) expect(Math.abs(ours[i]! - x)).toBeLessThan(FLOAT_TOLERANCE);
  }

  test("MixUp with a given λ", () => {
    const ours = batch();
    mixup(ours, 0.3);
    const theirs = torchMix("x, t = x * 0.3 + r * 0.7, t * 0.3 + s * 0.7");
    expectClose(ours.images, theirs.images);
    expectClose(ours.targets, theirs.targets);
  });

  test("CutMix with a given box", () => {
    const ours = batch();
    cutmix(ours, { top: 1, left: 2, bottom: 4, right: 8 });
    const theirs = torchMix("x[:, :, 1:4, 2:8] = r[:, :, 1:4, 2:8]; l = 1 - 18 / 48; t = t * l + s * (1 - l)");
    expectClose(ours.images, theirs.images);
    expectClose(ours.targets, theirs.targets);
  });

  test.each(ALPHAS)("λ follows Beta(α, α), α = %d", (alpha) => {
    const lambdas = Array.from({ length: DRAWS }, (_, i) => {
      const drawn = { images: new Float32Array(2), shape: [2, 1, 1, 1] as const, targets: Float32Array.of(1, 0, 0, 1) };
      mix(drawn, { mixup: alpha }, new Random(0, i));
      return [drawn.targets[0]!];
    });
    expectSameDistribution(lambdas, theirs[`Beta ${alpha}`]!);
  });

  test("the box of CutMix has the area that λ leaves, but for the border", () => {
    for (let i = 0; i < 200; i++) {
      const { top, left, bottom, right } = cutmixBox([1, 3, 40, 60], 0.75, new Random(i));
      expect([bottom - top <= 20, right - left <= 30, bottom >= top, right >= left]).toEqual([true, true, true, true]);
      if (top > 0 && left > 0 && bottom < 40 && right < 60) expect((bottom - top) * (right - left)).toBe(600);
    }
  });
});
