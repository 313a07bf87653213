/** Rounding to float16 and bfloat16, against PyTorch, bit for bit. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readCheckpoint, toReal } from "../../src/checkpoint/node/index.ts";
import { type TensorData, tensor } from "../../src/graph/index.ts";
import { Random } from "../../src/random.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";

const SCRIPT = `
import sys
import numpy as np, torch
x = torch.from_numpy(np.fromfile(sys.argv[1] + "/bits", np.float32))
torch.save({"float16": x.half(), "bfloat16": x.bfloat16(), "double": x.double() * (1 + 2**-30)}, sys.argv[1] + "/rounded.pth")
`;
const reason = pythonSkipReason("torch", "numpy");

/** Bits of float32: at random, and every number of 16 bits with what lies around it and halfway to the next. */
function patterns(): Uint32Array {
  const random = new Random(1);
  const bits = [...Array(100_000)].map(() => random.bits() >>> 0);
  for (const dtype of ["float16", "bfloat16"] as const) {
    const every = { dtype, shape: [2 ** 16], data: Uint16Array.from({ length: 2 ** 16 }, (_, i) => i) } as TensorData;
    const { data } = toReal(every, "float32") as TensorData<"float32">;
    const half = dtype === "float16" ? 0x1000 : 0x8000;
    for (const base of new Uint32Array(data.buffer))
      bits.push(...[-1, 0, 1, half - 1, half, half + 1].map((step) => (base + step) >>> 0));
  }
  return Uint32Array.from(bits);
}

it(`rounds as PyTorch does`, unless(reason), async () => {
  const folder = mkdtempSync(join(tmpdir(), "convnets-real-"));
  try {
    const bits = patterns();
    writeFileSync(join(folder, "bits"), new Uint8Array(bits.buffer));
    python(SCRIPT, { args: [folder] });
    const { tensors } = await readCheckpoint(join(folder, "rounded.pth"), { convert: "none" });
    const given = tensor("float32", [bits.length], new Float32Array(bits.buffer));
    for (const dtype of ["float16", "bfloat16"] as const) {
      const [ours, theirs] = [toReal(given, dtype), tensors.get(dtype)!];
      const wrong = [...bits.keys()].filter((i) => ours.data[i] !== theirs.data[i] && !Number.isNaN(given.data[i]!));
      expect(wrong.map((i) => bits[i]!.toString(16)).slice(0, 10)).toEqual([]);
      const back = toReal(ours, "float32");
      const lost = [...bits.keys()].filter((i) => Number.isNaN(given.data[i]!) && !Number.isNaN(back.data[i]!));
      expect(lost).toEqual([]);
    }
    const double = tensors.get("double")!;
    expect(toReal(double, "float32").data).toEqual(Float32Array.from(double.data as Float64Array));
    const count = tensor("int64", [1], BigInt64Array.of(3n));
    expect(toReal(count, "float16")).toBe(count);
    expect(toReal(given, "float32")).toBe(given);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
