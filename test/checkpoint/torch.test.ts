import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CheckpointError, openTorch, readTorch, readWeights, writeTorch } from "../../src/checkpoint/index.ts";
import { OP } from "../../src/checkpoint/opcodes.ts";
import { type TensorData, tensor as tensorData } from "../../src/graph/tensor.ts";
import { bytes, pickle } from "./hostile.ts";

const fixture = (name: string) => new Uint8Array(readFileSync(new URL(`fixtures/${name}`, import.meta.url)));
const quarters = (...numbers: number[]) => Float32Array.from(numbers, (number) => number / 4);

describe.each(["zip.pth", "stream.pth"])("%s, as torch.save wrote it", (name) => {
  it("holds every type, converted to float32 where it is a floating one", async () => {
    const { tensors } = await readTorch(fixture(name));
    const numbers = Float32Array.of(-2, -1, 0, 1, 2, 3);
    for (const type of ["float32", "float64", "float16", "bfloat16"]) {
      expect(tensors.get(type)).toEqual(tensorData("float32", [2, 3], numbers));
    }
    expect(tensors.get("int64")).toEqual(tensorData("int64", [2, 3], BigInt64Array.of(-2n, -1n, 0n, 1n, 2n, 3n)));
    expect(tensors.get("int32")).toEqual(tensorData("int32", [2, 3], Int32Array.from(numbers)));
    expect(tensors.get("int16")).toEqual(tensorData("int16", [2, 3], Int16Array.from(numbers)));
    expect(tensors.get("int8")).toEqual(tensorData("int8", [2, 3], Int8Array.from(numbers)));
    expect(tensors.get("uint8")).toEqual(tensorData("uint8", [2, 3], Uint8Array.of(0, 1, 2, 3, 4, 5)));
    expect(tensors.get("bool")).toEqual(tensorData("bool", [2, 3], Uint8Array.of(1, 1, 0, 1, 1, 1)));
  });

  it("keeps types where asked to", async () => {
    const { tensors } = await readTorch(fixture(name), { convert: "none" });
    expect(tensors.get("float64")!.data).toEqual(Float64Array.of(-2, -1, 0, 1, 2, 3));
    expect(tensors.get("float16")!.data).toEqual(Uint16Array.of(0xc000, 0xbc00, 0, 0x3c00, 0x4000, 0x4200));
    expect(tensors.get("bfloat16")!.data).toEqual(Uint16Array.of(0xc000, 0xbf80, 0, 0x3f80, 0x4000, 0x4040));
  });

  it("holds views: parts share the numbers, strided ones are gathered", async () => {
    const { tensors } = await readTorch(fixture(name));
    const whole = tensors.get("whole")!;
    expect(whole.data).toEqual(quarters(...Array(24).keys()));
    expect(tensors.get("part")).toEqual(tensorData("float32", [2, 3], quarters(6, 7, 8, 9, 10, 11)));
    expect(tensors.get("part")!.data.buffer).toBe(whole.data.buffer);
    const columns = [0, 1, 2, 3, 4, 5].flatMap((column) => [0, 1, 2, 3].map((row) => row * 6 + column));
    expect(tensors.get("transposed")).toEqual(tensorData("float32", [6, 4], quarters(...columns)));
    const strided = quarters(1, 2, 3, 9, 10, 11, 13, 14, 15, 21, 22, 23);
    expect(tensors.get("strided")).toEqual(tensorData("float32", [2, 2, 3], strided));
    expect(tensors.get("expanded")).toEqual(tensorData("float32", [2, 5], new Float32Array(10).fill(0.75)));
  });

  it("holds scalars, empty tensors and parameters", async () => {
    const { tensors } = await readTorch(fixture(name));
    expect(tensors.get("scalar")).toEqual(tensorData("float32", [], Float32Array.of(1.5)));
    expect(tensors.get("empty")).toEqual(tensorData("float32", [0, 3], new Float32Array(0)));
    expect(tensors.get("parameter")).toEqual(tensorData("float32", [2], Float32Array.of(0.25, -0)));
  });

  it("is unwrapped: what stands beside the state dict becomes metadata, its containers are left out", async () => {
    const { tensors, metadata } = await readWeights(fixture(name));
    expect([...tensors.keys()].slice(0, 2)).toEqual(["float32", "float64"]);
    expect(metadata).toEqual({ epoch: "3", arch: "tiny", best: "0.5", done: "false" });
    await expect(readTorch(fixture(name), { key: "optimizer" })).rejects.toThrow("there is no tensor");
    await expect(readTorch(fixture(name), { key: "ema" })).rejects.toThrow(
      'no "ema" in the file; it holds "epoch", "arch"',
    );
    expect((await readTorch(fixture(name), { key: "state_dict" })).tensors.size).toBe(tensors.size);
  });

  it("says what it holds before numbers are read", async () => {
    const file = await openTorch(fixture(name));
    expect(file.format).toBe(name === "zip.pth" ? "torch" : "torch-legacy");
    expect(file.tensors.get("float16")).toEqual({ dtype: "float16", shape: [2, 3] });
    expect((await file.load("scalar")).data).toEqual(Float32Array.of(1.5));
    expect((await file.load("scalar")).data).toEqual(Float32Array.of(1.5));
  });

  it("is refused wherever it is cut", async () => {
    const file = fixture(name);
    for (let length = 0; length < file.length; length++) {
      const failure = await readTorch(file.subarray(0, length)).catch((error: unknown) => error);
      expect(failure, `cut at ${length}`).toBeInstanceOf(CheckpointError);
    }
  });
});

describe("writeTorch", () => {
  const weight = tensorData("float32", [2], Float32Array.of(1, 2));

  it("is read back, metadata included, and aligns numbers to 64 bytes", async () => {
    const tensors = new Map<string, TensorData>([
      ["weight", weight],
      ["count", tensorData("int64", [], BigInt64Array.of(7n))],
      ["weird name ☃", tensorData("bool", [3], Uint8Array.of(1, 0, 1))],
    ]);
    const file = writeTorch({ tensors, metadata: { classes: '["a"]' } });
    const read = await readTorch(file);
    expect(read).toEqual({ tensors, metadata: { classes: '["a"]' } });
    for (const { data } of read.tensors.values()) expect(data.byteOffset % 64).toBe(0);
  });

  it("writes tied weights once", async () => {
    const big = tensorData("float32", [1000], new Float32Array(1000).fill(3));
    const tied = new Map([
      ["a", big],
      ["b", big],
    ]);
    const file = writeTorch({ tensors: tied, metadata: {} });
    expect(file.length).toBeLessThan(6000);
    const { tensors } = await readTorch(file);
    expect(tensors.get("a")!.data.buffer).toBe(tensors.get("b")!.data.buffer);
  });

  it("refuses types that PyTorch has no storage for", () => {
    const tensors = new Map([["w", tensorData("uint16", [1], Uint16Array.of(1))]]);
    expect(() => writeTorch({ tensors, metadata: {} })).toThrow(
      'tensor "w" is uint16, for which PyTorch has no storage',
    );
  });
});

describe("readWeights", () => {
  it.each([
    ["an empty file", bytes(), /it is empty/],
    ["a pickle without tensors", pickle(OP.NONE), /the file holds None, no state dict/],
    ["a Git LFS pointer", bytes("version https://git-lfs.github.com/spec/v1\n"), /Git LFS pointer/],
    ["a web page", bytes("<!DOCTYPE html><html>"), /a web page/],
    ["gzip", bytes("\x1f\x8b\x08"), /compressed with gzip/],
    [
      "tar",
      bytes("cats/1.jpg".padEnd(257, "\0"), "ustar\0".padEnd(255, "\0")),
      /a tar archive with "cats\/1\.jpg", not a weight file; unpack it first/,
    ],
    ["HDF5", bytes("\x89HDF\r\n\x1a\n"), /HDF5/],
    ["a PNG image", bytes("\x89PNG\r\n\x1a\n"), /it is a PNG image/],
    ["a JPEG image", bytes("\xff\xd8\xff\xe0"), /it is a JPEG image/],
    ["a NumPy array", bytes("\x93NUMPY\x01\0"), /a NumPy array \(\.npy\)/],
    ["JSON", bytes('{ "epochs": 3 }'), /probably JSON/],
    ["text", bytes("anything at all\n"), /it is a text file/],
    ["anything", bytes("\x01\x02anything"), /of no known kind/],
  ])("names the kind of %s", async (_, file, message) => {
    const failure = await readWeights(file).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CheckpointError);
    expect((failure as Error).message).toMatch(message);
  });
});
