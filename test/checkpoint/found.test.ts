/** Weight files that others published: each opens, or is refused with the reason. */
import { existsSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openCheckpoint, readCheckpoint } from "../../src/checkpoint/node/index.ts";
import { unless } from "../support/skip.ts";

const FOLDER = fileURLToPath(new URL("../../../shared/data/found/models", import.meta.url));

/** The end of each name, how many tensors it has, the first number of the first one, and what is said. */
const FILES: Record<string, { format: string; tensors: number; first: [key: string, value: number]; said?: RegExp }> = {
  "Digit-Prediciton_model.pth": { format: "torch", tensors: 14, first: ["conv1.weight", -0.3079] },
  "extrasmall-qat8.pth.tar": { format: "torch", tensors: 25, first: ["conv1.output_shift", 1] },
  "test-cifar10-bias.pth.tar": { format: "torch-legacy", tensors: 10, first: ["conv1.conv2d.weight", 7] },
  "demo_model_fp32.pt": { format: "torchscript", tensors: 23, first: ["feature1.0.weight", 0.5323] },
  "demo_model_int8.pt": {
    format: "torchscript",
    tensors: 8,
    first: ["feature1.0.weight", 0.4677],
    said: /4 quantized tensors read as float32/,
  },
  "demo_model_int8.pth": {
    format: "torch",
    tensors: 8,
    first: ["feature1.0.weight", 0.4677],
    said: /left out scales and zero points of activations: "feature1\.0\.scale"/,
  },
  "tar_weight_bias.tar": { format: "torch-tar", tensors: 2, first: ["weight", 0.1] },
  "tar_multi_dtype.tar": { format: "torch-tar", tensors: 3, first: ["float_tensor", 1.5] },
};

describe("weight files of others", unless(existsSync(FOLDER) ? undefined : `there is no ${FOLDER}`), () => {
  const names = existsSync(FOLDER) ? readdirSync(FOLDER).filter((name) => !name.endsWith(".onnx")) : [];

  it.each(names)("%s opens", async (name) => {
    const [, wanted] = Object.entries(FILES).find(([end]) => name.endsWith(end))!;
    const opened = await openCheckpoint(`${FOLDER}/${name}`);
    await opened.close();
    expect(opened.format).toBe(wanted.format);
    const { tensors, notes } = await readCheckpoint(`${FOLDER}/${name}`);
    expect(tensors.size).toBe(wanted.tensors);
    const [key, value] = wanted.first;
    expect([...tensors.keys()][0]).toBe(key);
    expect(tensors.get(key)!.data[0]).toBeCloseTo(value, 3);
    if (wanted.said) expect(notes?.join("\n")).toMatch(wanted.said);
  });
});
