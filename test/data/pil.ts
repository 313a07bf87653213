/** Pictures to and from PIL and torchvision, through files of raw bytes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Image, interleaved, toInterleaved } from "../../src/data/image.ts";
import { Random } from "../../src/random.ts";
import { python } from "../support/python.ts";

/** Noise over a gradient: every byte value occurs, and neighbours differ. */
export function testPicture(height: number, width: number, channels: 1 | 3 = 3, seed = 0): Image {
  const random = new Random(seed, height, width);
  const bytes = Uint8Array.from({ length: height * width * channels }, (_, i) => {
    const pixel = Math.floor(i / channels);
    return (((pixel % width) / width) * 160 + random.integer(96)) & 255;
  });
  return interleaved(bytes, height, width, channels);
}

/** One call of Python per test file: each case is an expression over `image` (a PIL picture), F and T of torchvision. */
export interface PilCase {
  readonly image: Image;
  readonly expression: string;
}

/** What each expression gives, as [H, W, C] bytes. */
export function pil(cases: readonly PilCase[]): Image[] {
  const folder = mkdtempSync(join(tmpdir(), "convnets-pil-"));
  try {
    const described = cases.map(({ image, expression }, i) => {
      writeFileSync(join(folder, `${i}.in`), toInterleaved(image));
      return { height: image.height, width: image.width, channels: image.channels, expression };
    });
    const output = python(SCRIPT, { args: [folder], input: JSON.stringify(described) });
    return (JSON.parse(output) as [number, number, number][]).map(([height, width, channels], i) =>
      interleaved(new Uint8Array(readFileSync(join(folder, `${i}.out`))), height, width, channels),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const SCRIPT = `
import json, sys, numpy as np
from PIL import Image, ImageOps
import torchvision.transforms as T, torchvision.transforms.functional as F
folder, shapes = sys.argv[1], []
for i, case in enumerate(json.load(sys.stdin)):
    shape = [case["height"], case["width"]] + ([3] if case["channels"] == 3 else [])
    image = Image.fromarray(np.fromfile(f"{folder}/{i}.in", np.uint8).reshape(shape))
    out = np.asarray(eval(case["expression"]))
    out.tofile(f"{folder}/{i}.out")
    shapes.append([*out.shape[:2], out.shape[2] if out.ndim == 3 else 1])
print(json.dumps(shapes))
`;
