import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type DType, fromBytes, itemSize, numel, tensor, toBytes, zeros } from "../../src/graph/index.ts";

const dtypes = fc.constantFrom<DType>(
  ...(["float32", "float64", "float16", "bfloat16", "int8", "uint8", "int16", "uint16"] as const),
  ...(["int32", "uint32", "int64", "uint64", "bool"] as const),
);
const shapes = fc.array(fc.nat(4), { maxLength: 3 });

describe("tensors", () => {
  it("of every type are zeros of their size, and go through bytes at any offset", () =>
    fc.assert(
      fc.property(dtypes, shapes, fc.nat(9), fc.infiniteStream(fc.nat(255)), (dtype, shape, offset, random) => {
        const empty = zeros(dtype, shape);
        expect([empty.data.length, empty.data.byteLength]).toEqual([numel(shape), numel(shape) * itemSize(dtype)]);
        const bytes = Uint8Array.from({ length: empty.data.byteLength }, () => random.next().value!);
        const padded = new Uint8Array(offset + bytes.length);
        padded.set(bytes, offset);
        const read = fromBytes(dtype, shape, padded.subarray(offset));
        expect([read.dtype, read.shape]).toEqual([dtype, shape]);
        expect(toBytes(read)).toEqual(bytes);
      }),
    ));

  it("view aligned bytes in place, and copy others", () => {
    const bytes = new Uint8Array(12);
    expect(fromBytes("float32", [2], bytes.subarray(4)).data.buffer).toBe(bytes.buffer);
    expect(fromBytes("float32", [2], bytes.subarray(1, 9)).data.buffer).not.toBe(bytes.buffer);
  });

  it("count a scalar as one element", () => {
    expect(numel([])).toBe(1);
    expect(numel([2, 0, 3])).toBe(0);
  });

  it("refuse numbers or bytes that do not fill the shape", () => {
    expect(() => tensor("float32", [2, 3], new Float32Array(5))).toThrow(
      "shape [2, 3] holds 6 elements, but 5 were given",
    );
    expect(() => fromBytes("int64", [2], new Uint8Array(15))).toThrow("int64 [2] takes 16 bytes, but 15 were given");
  });
});
