import { unzipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { concatenate, type RandomAccess } from "../../src/checkpoint/access.ts";
import { crc32 } from "../../src/checkpoint/crc32.ts";
import { locateZipEntry, readZipDirectory } from "../../src/checkpoint/zip.ts";
import { encodeZip } from "../../src/checkpoint/zip-write.ts";
import { bytes } from "./hostile.ts";

describe("encodeZip", () => {
  it("is read by others, checksums and names included", () => {
    const contents = {
      "archive/a": bytes("one"),
      "archive/größe": new Uint8Array(1000).fill(7),
      "archive/empty": bytes(),
    };
    const inputs = Object.entries(contents).map(([name, content]) => ({ name, bytes: content }));
    expect(unzipSync(concatenate(encodeZip(inputs, crc32)))).toEqual(contents);
  });

  it("writes what exceeds 4 GiB in zip64 records, which the reader understands", async () => {
    // Sizes alone matter here: the large entry has a length, but no bytes, and reads as zeros.
    const sizes: [string, number][] = [
      ["small", 3],
      ["huge", 5e9],
      ["behind", 7],
      ["exact", 0xffffffff],
      ["last", 1],
    ];
    const inputs = sizes.map(([name, size]) => ({ name, bytes: { length: size } as Uint8Array }));
    const pieces: { offset: number; bytes: Uint8Array }[] = [];
    let end = 0;
    for (const piece of encodeZip(inputs, () => 0)) {
      if (piece instanceof Uint8Array) pieces.push({ offset: end, bytes: piece });
      end += piece.length;
    }
    const sparse: RandomAccess = {
      size: end,
      read: (offset, length) => {
        const result = new Uint8Array(length);
        for (const piece of pieces) {
          const begin = Math.max(offset, piece.offset);
          const stop = Math.min(offset + length, piece.offset + piece.bytes.length);
          if (begin < stop) result.set(piece.bytes.subarray(begin - piece.offset, stop - piece.offset), begin - offset);
        }
        return result;
      },
    };
    const directory = await readZipDirectory(sparse);
    expect([...directory.values()].map(({ name, size }) => [name, size])).toEqual(sizes);
    for (const entry of directory.values()) {
      const { offset, length } = await locateZipEntry(sparse, entry);
      expect(offset % 64).toBe(0);
      expect(length).toBe(entry.size);
    }
  });
});

describe("crc32", () => {
  it("has the check value of the standard", () => {
    expect(crc32(bytes("123456789"))).toBe(0xcbf43926);
    expect(crc32(bytes())).toBe(0);
  });
});
