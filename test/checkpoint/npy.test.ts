import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { zipSync } from "fflate";
import { afterAll, describe, expect, it } from "vitest";
import { CheckpointError, encodeNpy, encodeNpz, readNpy, readNpz, readNumpy } from "../../src/checkpoint/node/index.ts";
import { type TensorData, tensor } from "../../src/graph/index.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-npy-"));
afterAll(() => rmSync(folder, { recursive: true }));

const x = tensor("float32", [2, 3], [1, 2, 3, 4, 5, 6]);
/** A .npy file with another header. */
function withHeader(header: string, numbers: Uint8Array = new Uint8Array(24)): Uint8Array {
  const bytes = new Uint8Array(10 + header.length + numbers.length);
  bytes.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, header.length, 0]);
  bytes.set(new TextEncoder().encode(header), 10);
  bytes.set(numbers, 10 + header.length);
  return bytes;
}

describe(".npy", () => {
  it("is written and read", () => {
    expect(readNpy(encodeNpy(x))).toEqual(x);
    const text = new TextDecoder("latin1").decode(encodeNpy(x));
    expect(text.slice(10, 128)).toBe(`${"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }".padEnd(117)}\n`);
    expect(readNpy(encodeNpy(tensor("bfloat16", [1], Uint16Array.of(0x3fc0))))).toEqual(tensor("float32", [1], [1.5]));
  });

  it.each([
    ["nothing", new Uint8Array(0), "no .npy file"],
    ["a header that is cut", encodeNpy(x).subarray(0, 50), "the header is cut short"],
    ["numbers that are cut", encodeNpy(x).subarray(0, 140), "float32 [2, 3] takes 24 bytes, but 12 follow the header"],
    ["no dictionary", withHeader("hello"), 'the header is damaged: "hello"'],
    [
      "Python objects",
      withHeader("{'descr': '|O', 'fortran_order': False, 'shape': (6,), }"),
      '"|O" are not supported',
    ],
    [
      "a huge shape",
      withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 99999999, 99), }"),
      "too large",
    ],
  ])("of %s is an error", (_, bytes, message) => {
    expect(() => readNpy(bytes)).toThrow(CheckpointError);
    expect(() => readNpy(bytes)).toThrow(message);
  });

  it("of changed bytes gives a tensor or a CheckpointError", () => {
    const good = encodeNpy(x);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (changes) => {
          const bytes = good.slice();
          for (const [at, byte] of changes) bytes[at] = byte;
          try {
            readNpy(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(CheckpointError);
          }
        },
      ),
    );
  });
});

describe(".npz", () => {
  const tensors = new Map<string, TensorData>([
    ["x", x],
    ["deep/y", tensor("int64", [1], [7n])],
  ]);
  const zip = Buffer.concat([...encodeNpz(tensors)]);

  it("is written and read, also deflated", async () => {
    expect(await readNpz(zip)).toEqual(tensors);
    const deflated = zipSync({
      "x.npy": encodeNpy(x),
      "zeros.npy": encodeNpy(tensor("uint8", [100_000], new Uint8Array(100_000))),
    });
    expect(deflated.length).toBeLessThan(1000);
    expect((await readNpz(deflated)).get("x")).toEqual(x);
  });

  it("that unpacks to more than it claims, or to nonsense, is an error", async () => {
    const bomb = zipSync({ "x.npy": new Uint8Array(1_000_000) });
    const view = new DataView(bomb.buffer, bomb.byteOffset, bomb.byteLength);
    // the size in the directory, 24 bytes after its signature
    for (let at = 0; at + 4 < bomb.length; at++)
      if (view.getUint32(at, true) === 0x02014b50) view.setUint32(at + 24, 100, true);
    await expect(readNpz(bomb)).rejects.toThrow('zip: entry "x.npy" unpacks to more than the 100 bytes that it claims');
    const damaged = zipSync({ "x.npy": encodeNpy(x) });
    damaged.fill(0xff, 40, 60);
    await expect(readNpz(damaged)).rejects.toThrow(CheckpointError);
    await expect(readNpz(zipSync({ "a.txt": new Uint8Array(20) }))).rejects.toThrow(
      'array "a.txt": this is no .npy file',
    );
  });

  it("is found out by its content, and named in errors", async () => {
    const path = join(folder, "x.bin");
    writeFileSync(path, zip);
    expect(await readNumpy(path)).toEqual(tensors);
    writeFileSync(path, encodeNpy(x));
    expect(await readNumpy(path)).toEqual(x);
    writeFileSync(path, "1,2,3");
    await expect(readNumpy(path)).rejects.toThrow(`${path}: this is neither a .npy nor a .npz file`);
    await expect(readNumpy(join(folder, "gone.npy"))).rejects.toThrow("gone.npy: there is no such file");
    await expect(readNumpy(folder)).rejects.toThrow(`${folder}: is a directory; a file was expected`);
  });
});
