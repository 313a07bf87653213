import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  asData,
  asTensor,
  checkOptions,
  type DType,
  fromBytes,
  itemSize,
  numel,
  tensor,
  toBytes,
  zeros,
} from "../../src/graph/index.ts";

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

  it("refuse bytes that do not fill the shape", () => {
    expect(() => fromBytes("int64", [2], new Uint8Array(15))).toThrow("int64 [2] takes 16 bytes, but 15 were given");
  });
});

describe("numbers for a tensor", () => {
  const foreign = (code: string) => runInNewContext(code);

  it("may be typed arrays of any realm and on any buffer, without a copy", () => {
    const own = Float32Array.of(1, 2);
    expect(tensor("float32", [2], own).data).toBe(own);
    const other = foreign("Float32Array.of(0, 1, 2).subarray(1)");
    const view = tensor("float32", [2], other).data;
    expect(view).toBeInstanceOf(Float32Array);
    expect([...view]).toEqual([1, 2]);
    expect(view.buffer).toBe(other.buffer);
    expect([...tensor("uint8", [1], Uint8ClampedArray.of(7) as never).data]).toEqual([7]);
    const shared = new Float32Array(new SharedArrayBuffer(8));
    expect(tensor("float32", [2], shared).data).toBe(shared);
    expect([...tensor("int64", [1], foreign("BigInt64Array.of(3n)")).data]).toEqual([3n]);
  });

  it("may be bytes", () => {
    const floats = Float32Array.of(1, -2, 3);
    const bytes = Buffer.from(floats.buffer);
    expect([...tensor("float32", [3], bytes).data]).toEqual([1, -2, 3]);
    const odd = Buffer.alloc(13);
    bytes.copy(odd, 1);
    expect([...tensor("float32", [3], odd.subarray(1)).data]).toEqual([1, -2, 3]);
    expect(tensor("uint8", [12], bytes).data).toBe(bytes);
  });

  it("may be plain arrays", () => {
    expect(tensor("float32", [2, 1], [0.5, Number.NaN]).data).toEqual(Float32Array.of(0.5, Number.NaN));
    expect(tensor("int64", [2], [1, 2n]).data).toEqual(BigInt64Array.of(1n, 2n));
    expect(tensor("bool", [2], [true, 0]).data).toEqual(Uint8Array.of(1, 0));
  });

  it.each<[DType, readonly number[], unknown, string]>([
    [
      "float32",
      [2, 3],
      new Float32Array(5),
      "float32 [2, 3] takes 6 elements in a Float32Array or plain array of numbers, but got Float32Array of 5",
    ],
    ["float32", [2], new Float64Array(2), "but got Float64Array of 2"],
    ["float32", [4], new Uint8Array(4), "but got Uint8Array of 4"],
    ["float32", [2], ["1", 2], 'but got ["1",2]'],
    ["float32", [2], new Array(2), "takes 2 elements"],
    ["float32", [2], undefined, "but got undefined"],
    ["int64", [1], [1.5], "int64 [1] takes 1 elements in a BigInt64Array or plain array of numbers, but got [1.5]"],
    ["uint8", [1], [256], "but got [256]"],
    ["uint64", [1], [-1], "but got [-1]"],
    ["float16", [1], [1], "float16 [1] takes 1 elements in a Uint16Array of raw bits, but got [1]"],
    ["float" as DType, [1], [1], 'there is no type "float"; there are float32, float64'],
    ["float32", [1.5], [1], "a shape is a list of whole numbers, but got [1.5]"],
    ["float32", 3 as never, [1], "a shape is a list of whole numbers, but got 3"],
  ])("%s %s: an error says what was expected and what was given", (dtype, shape, data, message) => {
    expect(() => tensor(dtype, shape, data as never)).toThrow(message);
    expect(() => asData(dtype, shape, data, 'input "x"')).toThrow(/^input "x": /);
  });

  it("come as a whole tensor, or the error shows one", () => {
    const given = tensor("float32", [1], [1]);
    expect(asTensor(given, "input")).toBe(given);
    expect(asTensor({ ...given, data: [2] as never }, "input").data).toEqual(Float32Array.of(2));
    expect(() => asTensor(new Float32Array(4), 'input "x"')).toThrow(
      'input "x": expected a tensor, such as tensor("float32", [1, 3, 32, 32], data), but got Float32Array of 4',
    );
  });
});

describe("options", () => {
  const kinds = { stride: "size", padding: "pixels", groups: "whole", ceilMode: "boolean", alpha: "number" } as const;
  const checked = (options: unknown) => () => checkOptions("Conv2d", options, kinds);

  it("of the right names and kinds pass", () => {
    expect(checked({ stride: 2, padding: [0, 1], groups: 1, ceilMode: false, alpha: 0.1 })).not.toThrow();
    expect(checked({ stride: undefined })).not.toThrow();
    expect(() => checkOptions("fit", { epochs: "any" }, ["epochs"])).not.toThrow();
  });

  it.each<[unknown, string]>([
    [2, "Conv2d: options are an object such as { stride: 2 }, but got 2"],
    [null, "but got null"],
    [[2], "but got [2]"],
    [{ pad: 1 }, 'Conv2d: there is no option "pad"; did you mean "padding"?'],
    [{ paddng: 1 }, 'did you mean "padding"?'],
    [{ ceil_mode: true }, 'did you mean "ceilMode"?'],
    [{ whatever: 1 }, "there are stride, padding, groups, ceilMode, alpha"],
    [{ stride: "2" }, 'Conv2d: stride has to be a positive whole number, or two: [height, width], but is "2"'],
    [{ stride: 0 }, "but is 0"],
    [{ padding: [1, 2, 3] }, "but is [1,2,3]"],
    [{ groups: [1, 1] }, "groups has to be a positive whole number, but is [1,1]"],
    [{ ceilMode: 1 }, "ceilMode has to be true or false, but is 1"],
    [{ alpha: Number.NaN }, "alpha has to be a number, but is NaN"],
  ])("%j: an error says what is meant", (options, message) => expect(checked(options)).toThrow(message));
});
