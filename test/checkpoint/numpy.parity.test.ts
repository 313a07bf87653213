/** .npy and .npz files against NumPy: what it writes is read, and what is written it reads. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readNumpy, writeNumpy } from "../../src/checkpoint/node/index.ts";
import { type DType, fromBytes, itemSize, type TensorData, toBytes } from "../../src/graph/index.ts";
import { Random } from "../../src/random.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";

const WRITE = `
import json, sys
import numpy as np
folder = sys.argv[1]
rng = np.random.default_rng(0)
arrays, facts = {}, {}
for code in ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"]:
    for order in "<>":
        for shape in [(), (3,), (0, 2), (2, 3, 4)]:
            bits = rng.integers(0, 2 if code == "b1" else 100, shape)
            name = f"{code}{'le' if order == '<' else 'be'}{'x'.join(map(str, shape))}"
            arrays[name] = np.array(bits).astype(order + code if code[1] != "1" else code)
            if len(shape) == 3: arrays[name + "F"] = np.asfortranarray(arrays[name])
for name, array in arrays.items():
    np.save(f"{folder}/{name}.npy", array)
    facts[name] = [str(array.dtype.newbyteorder("=").name), list(array.shape), array.astype("f8").ravel().tolist()]
np.lib.format.write_array(open(f"{folder}/v2.npy", "wb"), arrays["f4le2x3x4"], version=(2, 0))
facts["v2"] = facts["f4le2x3x4"]
np.savez(f"{folder}/stored.npz", **arrays)
np.savez_compressed(f"{folder}/deflated.npz", **arrays)
np.save(f"{folder}/text.npy", np.array(["a", "b"]))
np.save(f"{folder}/objects.npy", np.array([{}, 1], dtype=object))
np.save(f"{folder}/records.npy", np.zeros(2, [("a", "f4"), ("b", "i4")]))
print(json.dumps(facts))
`;

const READ = `
import json, sys
import numpy as np
def fact(array): return [array.dtype.str, list(array.shape), array.tobytes().hex(), bool(array.flags.c_contiguous)]
folder = sys.argv[1]
alone = np.load(f"{folder}/ours.npy")
print(json.dumps([fact(alone), {name: fact(array) for name, array in np.load(f"{folder}/ours.npz").items()}]))
`;

const DTYPES: readonly DType[] = [
  ...(["float16", "float32", "float64", "int8", "int16", "int32", "int64"] as const),
  ...(["uint8", "uint16", "uint32", "uint64", "bool"] as const),
];

const reason = pythonSkipReason("numpy");
const folder = mkdtempSync(join(tmpdir(), "convnets-numpy-"));
afterAll(() => rmSync(folder, { recursive: true }));

const values = (tensor: TensorData) => {
  if (tensor.dtype !== "float16") return Array.from(tensor.data, Number);
  // small whole numbers: 1.xxx × 2^(exponent − 15)
  return Array.from(tensor.data as Uint16Array, (half) =>
    half === 0 ? 0 : (1 + (half & 1023) / 1024) * 2 ** ((half >> 10) - 15),
  );
};

describe(`NumPy's files`, unless(reason), () => {
  it("are read: every type, byte order, axis order and version, alone, stored and deflated", async () => {
    const facts = JSON.parse(python(WRITE, { args: [folder] })) as Record<string, [string, number[], number[]]>;
    const stored = (await readNumpy(join(folder, "stored.npz"))) as Map<string, TensorData>;
    const deflated = (await readNumpy(join(folder, "deflated.npz"))) as Map<string, TensorData>;
    expect(stored.size).toBe(Object.keys(facts).length - 1);
    for (const [name, [dtype, shape, numbers]] of Object.entries(facts)) {
      const alone = (await readNumpy(join(folder, `${name}.npy`))) as TensorData;
      for (const array of name === "v2" ? [alone] : [alone, stored.get(name)!, deflated.get(name)!]) {
        expect([name, array.dtype, array.shape]).toEqual([name, dtype, shape]);
        expect(values(array)).toEqual(numbers);
      }
    }
    for (const [name, type] of [
      ["text", '"<U1"'],
      ["objects", '"|O"'],
      ["records", "\"[('a'"],
    ] as const)
      await expect(readNumpy(join(folder, `${name}.npy`))).rejects.toThrow(`${name}.npy: .npy: arrays of type ${type}`);
  });

  it("are written", async () => {
    const random = new Random(3);
    const tensors = new Map<string, TensorData>();
    for (const dtype of DTYPES) {
      for (const shape of [[], [5], [2, 0], [2, 3, 4]]) {
        const count = shape.reduce((product, size) => product * size, 1);
        const bytes = Uint8Array.from({ length: count * itemSize(dtype) }, () =>
          random.integer(dtype === "bool" ? 2 : 60),
        );
        tensors.set(`${dtype}/${shape.join("x")}`, fromBytes(dtype, shape, bytes));
      }
    }
    await writeNumpy(join(folder, "ours.npz"), tensors);
    await writeNumpy(join(folder, "ours.npy"), tensors.get("float32/2x3x4")!);
    const [alone, all] = JSON.parse(python(READ, { args: [folder] }));
    const codes = { float: "f", int: "i", uint: "u", bool: "b" };
    for (const [name, tensor] of tensors) {
      const size = itemSize(tensor.dtype);
      const code = codes[tensor.dtype.replace(/\d+/, "") as keyof typeof codes];
      const expected = [
        `${size === 1 ? "|" : "<"}${code}${size}`,
        [...tensor.shape],
        Buffer.from(toBytes(tensor)).toString("hex"),
        true,
      ];
      expect(all[name]).toEqual(expected);
      if (name === "float32/2x3x4") expect(alone).toEqual(expected);
    }
  });
});
