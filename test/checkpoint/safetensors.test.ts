import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CheckpointError,
  encodeSafetensors,
  fromBlob,
  openSafetensors,
  readSafetensors,
  readSafetensorsHeader,
  readWeights,
  safetensorsLayout,
  writeSafetensors,
} from "../../src/checkpoint/index.ts";
import { toFloat32 } from "../../src/graph/index.ts";
import { type DType, fromBytes, itemSize, numel, type TensorData, tensor, toBytes } from "../../src/graph/tensor.ts";
import { bytes, safetensors, uint32 } from "./hostile.ts";

const DTYPES: DType[] = [
  ...(["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8"] as const),
  ...(["uint64", "uint32", "uint16", "uint8", "bool"] as const),
];

/** Any tensor, its bits at random. */
const anyTensor = fc
  .tuple(fc.constantFrom(...DTYPES), fc.array(fc.nat(4), { maxLength: 4 }))
  .chain(([dtype, shape]) => {
    const length = numel(shape) * itemSize(dtype);
    return fc
      .uint8Array({ minLength: length, maxLength: length })
      .map((content): TensorData => fromBytes(dtype, shape, content.slice()));
  });
const anyName = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("0", "1", "__proto__", "constructor", 'a"b'));
const anyCheckpoint = fc.record({
  tensors: fc.array(fc.tuple(anyName, anyTensor)).map((entries) => new Map(entries)),
  metadata: fc.dictionary(anyName, fc.string({ unit: "binary" })),
});

const bits = (tensors: ReadonlyMap<string, TensorData>) =>
  new Map([...tensors].map(([name, value]) => [name, [value.dtype, value.shape, toBytes(value).join()]]));

describe("safetensors", () => {
  it("reads what it writes, bit for bit", async () => {
    await fc.assert(
      fc.asyncProperty(anyCheckpoint, async (checkpoint) => {
        const read = await readSafetensors(writeSafetensors(checkpoint), { convert: "none" });
        expect(bits(read.tensors)).toEqual(bits(checkpoint.tensors));
        expect(Object.entries(read.metadata)).toEqual(Object.entries(checkpoint.metadata));
      }),
    );
  });

  it("is told from a pickle, also where the length of its header begins like one", async () => {
    const tensors = new Map([["weight", tensor("float32", [1], Float32Array.of(1.5))]]);
    for (let length = 400, found = 0; found < 4; length += 8) {
      const bytes = writeSafetensors({ tensors, metadata: { note: "x".repeat(length) } });
      if (bytes[0] !== 0x80) continue;
      expect(bytes[1]).toBe(2 + found++);
      expect((await readWeights(bytes)).tensors.get("weight")!.data[0]).toBe(1.5);
    }
  });

  it("keeps the order of the state dict, while wider types lie first in the file", async () => {
    const half = tensor("float16", [1], Uint16Array.of(1));
    const tensors = new Map<string, TensorData>([
      ["z.weight", half],
      ["a.count", tensor("int64", [], BigInt64Array.of(1n))],
      ["a.weight", half],
    ]);
    const file = await openSafetensors(writeSafetensors({ tensors, metadata: {} }));
    expect([...file.tensors.keys()]).toEqual(["z.weight", "a.count", "a.weight"]);
    const { tensors: places } = await readSafetensorsHeader(writeSafetensors({ tensors, metadata: {} }));
    expect(places.get("a.count")!.offset).toBeLessThan(places.get("z.weight")!.offset);
  });

  it("aligns the header to 8 bytes and every tensor to its type, and says where they lie", async () => {
    await fc.assert(
      fc.asyncProperty(anyCheckpoint, async (checkpoint) => {
        const file = writeSafetensors(checkpoint);
        const { tensors } = await readSafetensorsHeader(file);
        expect(tensors).toEqual(safetensorsLayout(checkpoint));
        expect(file[8]).toBe(0x7b);
        expect(new DataView(file.buffer).getUint32(0, true) % 8).toBe(0);
        for (const [name, { dtype, offset, length }] of tensors) {
          expect(offset % itemSize(dtype)).toBe(0);
          expect(Buffer.compare(file.subarray(offset, offset + length), toBytes(checkpoint.tensors.get(name)!))).toBe(
            0,
          );
        }
      }),
    );
  });

  it("yields the numbers as views, so that writing needs no copy of them", () => {
    const weight = tensor("float32", [2], Float32Array.of(1, 2));
    const pieces = [...encodeSafetensors({ tensors: new Map([["weight", weight]]), metadata: {} })];
    expect(pieces.at(-1)!.buffer).toBe(weight.data.buffer);
  });

  it("converts floating types to float32 unless told not to, and no others", async () => {
    const tensors = new Map<string, TensorData>([
      ["double", tensor("float64", [2], Float64Array.of(0.1, -2))],
      ["half", tensor("float16", [2], Uint16Array.of(0x3c00, 0x0001))],
      ["brain", tensor("bfloat16", [2], Uint16Array.of(0x3f80, 0xff80))],
      ["long", tensor("int64", [1], BigInt64Array.of(-(2n ** 62n)))],
    ]);
    const file = writeSafetensors({ tensors, metadata: {} });
    const read = (await readSafetensors(file)).tensors;
    expect(read.get("double")).toEqual(tensor("float32", [2], Float32Array.of(0.1, -2)));
    expect(read.get("half")).toEqual(tensor("float32", [2], Float32Array.of(1, 2 ** -24)));
    expect(read.get("brain")).toEqual(tensor("float32", [2], Float32Array.of(1, Number.NEGATIVE_INFINITY)));
    expect(read.get("long")).toEqual(tensors.get("long"));
    expect((await readSafetensors(file, { convert: "none" })).tensors).toEqual(tensors);
  });

  it("widens every float16 to the number that its fields spell", () => {
    const halves = Uint16Array.from({ length: 65536 }, (_, half) => half);
    const spelt = Array.from(halves, (half) => {
      const [exponent, fraction] = [(half >> 10) & 31, (half & 1023) / 1024];
      const special = fraction === 0 ? Number.POSITIVE_INFINITY : Number.NaN;
      const normal = (1 + fraction) * 2 ** (exponent - 15);
      const magnitude = exponent === 31 ? special : exponent === 0 ? fraction * 2 ** -14 : normal;
      return half & 0x8000 ? -magnitude : magnitude;
    });
    const { data } = toFloat32(tensor("float16", [65536], halves));
    expect(spelt.flatMap((number, half) => (Object.is(number, data[half]) ? [] : [half]))).toEqual([]);
  });

  it("reads one tensor of a Blob without the others", async () => {
    const tensors = new Map([
      ["a", tensor("float32", [1000], new Float32Array(1000).fill(1))],
      ["b", tensor("float32", [2], Float32Array.of(5, 6))],
    ]);
    const blob = fromBlob(new Blob([writeSafetensors({ tensors, metadata: {} }) as Uint8Array<ArrayBuffer>]));
    let taken = 0;
    const counted = {
      size: blob.size,
      read: (offset: number, length: number) => {
        taken += length;
        return blob.read(offset, length);
      },
    };
    const file = await openSafetensors(counted);
    expect([...file.tensors.keys()]).toEqual(["a", "b"]);
    expect((await file.load("b")).data).toEqual(Float32Array.of(5, 6));
    expect(taken).toBeLessThan(200);
    await expect(file.load("c")).rejects.toThrow('there is no tensor "c"');
  });
});

describe("safetensors refuses", () => {
  const f32 = (shape: unknown, begin: unknown, end: unknown, dtype: unknown = "F32") => ({
    dtype,
    shape,
    data_offsets: [begin, end],
  });
  const four = new Uint8Array(4);
  const deep = "[".repeat(100_000) + "]".repeat(100_000);
  const cases: [string, Uint8Array, RegExp][] = [
    ["an empty file", new Uint8Array(0), /header's length takes bytes 0 to 8, but the file has 0/],
    [
      "a header longer than the file",
      bytes(uint32(100), uint32(0), "{}"),
      /the header takes bytes 8 to 108, but the file has 10/,
    ],
    [
      "a header longer than the format allows",
      bytes(uint32(0), uint32(7), "{}"),
      /claims 30064771072 bytes, more than the format allows/,
    ],
    ["a header that is not JSON", safetensors("{,}"), /the header is not JSON/],
    ["a header that is not UTF-8", bytes(uint32(4), uint32(0), '{"\xff"'), /the header is not JSON/],
    ["a header that is a list", safetensors([]), /not a JSON object/],
    ["a header that begins with a space", safetensors(" {}"), /not a JSON object/],
    [
      "a name that stands twice",
      safetensors(
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}',
        four,
      ),
      /stands twice/,
    ],
    [
      "a member that stands twice",
      safetensors('{"a":{"dtype":"F32","dtype":"I32","shape":[1],"data_offsets":[0,4]}}', four),
      /stands twice/,
    ],
    ["metadata that is no text", safetensors({ __metadata__: { a: 1 } }), /__metadata__ must be an object of strings/],
    ["an entry that is no object", safetensors({ a: 1 }), /"a" is not described by an object/],
    [
      "an unknown type",
      safetensors({ a: f32([1], 0, 1, "F8_E4M3") }),
      /has the type "F8_E4M3", which is none of F64, F32/,
    ],
    ["a type that every object has", safetensors({ a: f32([1], 0, 1, "constructor") }), /has the type "constructor"/],
    [
      "a type nested without end",
      safetensors(`{"a":{"dtype":${deep},"shape":${deep},"data_offsets":${deep}}}`),
      /has the type a list of 1/,
    ],
    [
      "a shape nested without end",
      safetensors(`{"a":{"dtype":"F32","shape":${deep},"data_offsets":${deep}}}`),
      /the shape \[a list of 1\] is not a list/,
    ],
    ["a negative size", safetensors({ a: f32([-1], 0, 4) }, four), /the shape \[-1\] is not a list of whole numbers/],
    ["a broken size", safetensors({ a: f32([1.5], 0, 4) }, four), /the shape \[1.5\]/],
    ["a size beyond exact numbers", safetensors({ a: f32([2 ** 53], 0, 4) }, four), /the shape \[9007199254740992\]/],
    ["sizes whose product overflows", safetensors({ a: f32([2 ** 52, 2 ** 52], 0, 4) }, four), /its offsets span 4/],
    [
      "sizes whose product overflows to nothing",
      safetensors({ a: f32([...new Array(40).fill(2 ** 52), 0], 0, 4) }, four),
      /its offsets span 4/,
    ],
    [
      "a shape that does not fit its bytes",
      safetensors({ a: f32([2], 0, 4) }, four),
      /F32 \[2\] takes 8 bytes, its offsets span 4/,
    ],
    ["offsets that run backwards", safetensors({ a: f32([1], 4, 0) }, four), /are not \[begin, end\]/],
    [
      "three offsets",
      safetensors({ a: { ...f32([1], 0, 4), data_offsets: [0, 4, 8] } }, four),
      /are not \[begin, end\]/,
    ],
    [
      "offsets out of range",
      safetensors({ a: f32([2], 0, 8) }, four),
      /tensor "a" is out of range: it ends at byte \d+ of/,
    ],
    [
      "overlapping tensors",
      safetensors({ a: f32([1], 0, 4), b: f32([1], 2, 6) }, new Uint8Array(6)),
      /tensor "b" overlaps tensor "a" by 2 bytes/,
    ],
    [
      "tensors that share all bytes",
      safetensors({ a: f32([1], 0, 4), b: f32([1], 0, 4) }, four),
      /tensor "b" overlaps tensor "a" by 4 bytes/,
    ],
    [
      "a hole before the first",
      safetensors({ a: f32([1], 4, 8) }, new Uint8Array(8)),
      /the 4 bytes between the header and tensor "a" belong to none/,
    ],
    [
      "a hole between two",
      safetensors({ a: f32([1], 0, 4), b: f32([1], 8, 12) }, new Uint8Array(12)),
      /the 4 bytes between tensor "a" and tensor "b"/,
    ],
    [
      "bytes after the last",
      safetensors({ a: f32([1], 0, 4) }, new Uint8Array(7)),
      /the 3 bytes after tensor "a" belong to no tensor/,
    ],
  ];
  it.each(cases)("%s", async (_, file, message) => {
    const failure = await readSafetensors(file).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CheckpointError);
    expect((failure as Error).message).toMatch(message);
  });

  it("to write what readers would refuse", () => {
    const one = tensor("float32", [1], Float32Array.of(1));
    expect(() => writeSafetensors({ tensors: new Map([["__metadata__", one]]), metadata: {} })).toThrow("rename it");
    const wrong = { ...one, shape: [2] };
    expect(() => writeSafetensors({ tensors: new Map([["a", wrong]]), metadata: {} })).toThrow(
      "float32 [2], but has 1",
    );
  });
});
