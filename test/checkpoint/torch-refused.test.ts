import { zipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { concatenate } from "../../src/checkpoint/access.ts";
import { crc32 } from "../../src/checkpoint/crc32.ts";
import { CheckpointError, openTorch, readTorch } from "../../src/checkpoint/index.ts";
import { OP } from "../../src/checkpoint/opcodes.ts";
import { encodeZip } from "../../src/checkpoint/zip-write.ts";
import { tensor as tensorData } from "../../src/graph/tensor.ts";
import {
  bytes,
  dict,
  global,
  integer,
  moduleOf,
  pickle,
  tensor,
  text,
  torchTar,
  torchZip,
  tuple,
  uint32,
} from "./hostile.ts";

describe("the reader of torch.save's files refuses", () => {
  const plain = pickle(dict(text("w"), tensor()));
  /** The central directory's record of the nth entry, to be falsified. */
  const falsified = (change: (view: DataView, record: (n: number) => number) => void): Uint8Array => {
    const file = torchZip(plain);
    const view = new DataView(file.buffer);
    const records: number[] = [];
    for (let at = 0; at + 4 <= file.length; at++) if (view.getUint32(at, true) === 0x02014b50) records.push(at);
    change(view, (n) => records[n]!);
    return file;
  };
  const nested = (depth: number) => [
    ...Array(depth).fill([OP.EMPTY_DICT, text("a")]),
    tensor(),
    Array(depth).fill(OP.SETITEM),
  ];
  const laughs = [
    [dict(text("w"), tensor()), OP.BINPUT, 0],
    Array.from({ length: 40 }, (_, i) => [
      OP.EMPTY_DICT,
      [text("a"), OP.BINGET, i, OP.SETITEM],
      [text("b"), OP.BINGET, i, OP.SETITEM, OP.BINPUT, i + 1],
    ]),
  ];
  const stream = (parts: {
    pickled?: Uint8Array;
    magic?: string;
    protocol?: number;
    endian?: number;
    keys?: string;
    count?: number;
  }) => {
    const {
      pickled = plain,
      magic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19",
      protocol = 1001,
      endian = OP.NEWTRUE,
      keys = "0",
      count = 2,
    } = parts;
    return bytes(
      [pickle(OP.LONG1, 10, magic), pickle(integer(protocol)), pickle(dict(text("little_endian"), endian))],
      [pickled, pickle(OP.EMPTY_LIST, text(keys), OP.APPEND), uint32(count), uint32(0)],
      new Uint8Array(Float32Array.of(1, 2).buffer),
    );
  };

  it("nothing of these, which hostile ones are made from", async () => {
    const two = tensorData("float32", [2], Float32Array.of(1, 2));
    expect((await readTorch(torchZip(plain))).tensors).toEqual(new Map([["w", two]]));
    expect((await readTorch(stream({}))).tensors).toEqual(new Map([["w", two]]));
    expect((await readTorch(torchZip(pickle(nested(20))))).tensors.size).toBe(1);
  });

  it("nor what Python 2 wrote: byte strings, an OrderedDict made of pairs", async () => {
    const key = [OP.SHORT_BINSTRING, 1, "w"];
    const pairs = [OP.EMPTY_LIST, OP.EMPTY_LIST, OP.MARK, key, tensor(), OP.APPENDS, OP.APPEND];
    const file = torchZip(pickle(global("collections", "OrderedDict"), tuple(pairs), OP.REDUCE));
    expect([...(await readTorch(file)).tensors.keys()]).toEqual(["w"]);
  });

  it("nor parts of storages, which the stream form may name", async () => {
    const part = (offset: number, length: number) => {
      const place = [text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"), integer(2)];
      const view = tuple(text("part"), integer(offset), integer(length));
      const sizes = [tuple(integer(1)), tuple(integer(1))];
      const made = tuple(tuple(place, view), OP.BINPERSID, integer(0), sizes);
      return stream({ pickled: pickle(dict(text("w"), global("torch._utils", "_rebuild_tensor"), made, OP.REDUCE)) });
    };
    expect((await readTorch(part(1, 1))).tensors.get("w")).toEqual(tensorData("float32", [1], Float32Array.of(2)));
    await expect(readTorch(part(1, 2))).rejects.toThrow('view of storage "0" is out of range: 2 numbers from 1 of 2');
    await expect(readTorch(part(1, 0))).rejects.toThrow('reaches number 0 of storage "0", which has 0');
  });

  const cases: [string, Uint8Array, RegExp][] = [
    [
      "a global whose name is no text",
      torchZip(pickle(OP.NONE, OP.EMPTY_LIST, OP.STACK_GLOBAL)),
      /a global's name is no string/,
    ],
    ["extension codes", torchZip(pickle("\x82\x01")), /refuses the opcode EXT1/],
    ["buffers outside the pickle", torchZip(pickle("\x97")), /refuses the opcode NEXT_BUFFER .*not in the file itself/],
    ["bytes that are no opcode", torchZip(pickle("\xff")), /0xff at byte 2 is no opcode/],
    ["protocol 9", torchZip(bytes(OP.PROTO, 9, OP.NONE, OP.STOP)), /protocol 9 is none of 0 to 5/],
    ["an empty stack", torchZip(pickle(OP.TUPLE3)), /asks for more objects than there are/],
    ["a missing mark", torchZip(pickle(OP.TUPLE)), /asks for a mark that is not there/],
    ["a missing memo", torchZip(pickle(OP.BINGET, 7)), /no object 7 in the memo/],
    ["a string longer than the file", torchZip(pickle(OP.BINUNICODE, uint32(2 ** 31))), /cut short/],
    ["a string that is not UTF-8", torchZip(pickle(OP.BINUNICODE, uint32(1), "\xff")), /is not UTF-8/],
    [
      "a dict that contains itself",
      torchZip(pickle(OP.EMPTY_DICT, OP.BINPUT, 0, text("a"), OP.BINGET, 0, OP.SETITEM)),
      /recursive/,
    ],
    [
      "a list that contains itself",
      torchZip(pickle(OP.EMPTY_LIST, OP.BINPUT, 0, OP.BINGET, 0, OP.APPEND)),
      /recursive/,
    ],
    [
      "a wrapper that contains itself",
      torchZip(pickle(OP.EMPTY_DICT, OP.BINPUT, 0, text("model"), OP.BINGET, 0, OP.SETITEM)),
      /recursive/,
    ],
    ["deep nesting", torchZip(pickle(nested(100))), /nested more than 64 deep/],
    ["nesting beyond any call stack", torchZip(pickle(nested(20_000))), /nested more than 64 deep/],
    ["dicts that unfold to a trillion tensors", torchZip(pickle(laughs)), /share so many parts/],
    ["a single tensor", torchZip(pickle(tensor())), /holds a single tensor, no state dict/],
    ["a number", torchZip(pickle(integer(1))), /holds a number, no state dict/],
    ["no tensors", torchZip(pickle(dict(text("a"), integer(1)))), /there is no tensor in the file/],
    ["a key that is a list", torchZip(pickle(dict(OP.EMPTY_LIST, tensor()))), /a dict has a container for a key/],
    [
      "two tensors of one path",
      torchZip(pickle(dict(text("a"), dict(text("b"), tensor()), text("a.b"), tensor()))),
      /two tensors at "a\.b"/,
    ],
    ["other persistent objects", torchZip(pickle(tuple(text("thing")), OP.BINPERSID)), /refuses a persistent "thing"/],
    ["a persistent id that is no tuple", torchZip(pickle(text("0"), OP.BINPERSID)), /persistent id is no tuple/],
    [
      "a storage of two types",
      torchZip(pickle(dict(text("a"), tensor(), text("b"), tensor({ type: "IntStorage" })))),
      /is 2 float32 in one place, 2 int32 in another/,
    ],
    [
      "a storage without a record",
      torchZip(pickle(dict(text("a"), tensor({ key: "../0" })))),
      /no record for storage "\.\.\/0"/,
    ],
    [
      "a storage larger than its record",
      torchZip(pickle(dict(text("a"), tensor({ numel: 2 ** 30 })))),
      /takes 4294967296 bytes, its record has 8/,
    ],
    [
      "a tensor out of range",
      torchZip(pickle(dict(text("a"), tensor({ shape: [3] })))),
      /reaches number 2 of storage "0", which has 2/,
    ],
    ["an offset out of range", torchZip(pickle(dict(text("a"), tensor({ offset: 1 })))), /reaches number 2/],
    ["a stride out of range", torchZip(pickle(dict(text("a"), tensor({ stride: [2] })))), /reaches number 2/],
    [
      "a negative offset",
      torchZip(pickle(dict(text("a"), tensor({ offset: -1 })))),
      /not made of a storage, an offset/,
    ],
    [
      "a negative stride",
      torchZip(pickle(dict(text("a"), tensor({ offset: 1, stride: [-1] })))),
      /not made of a storage, an offset/,
    ],
    ["sizes without strides", torchZip(pickle(dict(text("a"), tensor({ stride: [] })))), /1 sizes and 0 strides/],
    [
      "one number unfolded to 4 GB",
      torchZip(pickle(dict(text("a"), tensor({ shape: [2 ** 30], stride: [0] })))),
      /bytes unfold to 4294967296; refused/,
    ],
    [
      "sizes whose product is not exact",
      torchZip(pickle(dict(text("a"), tensor({ shape: [2 ** 30, 2 ** 30, 0], stride: [0, 0, 0] })))),
      /claims the sizes/,
    ],
    ["a state for plain data", torchZip(pickle(OP.EMPTY_LIST, OP.NONE, OP.BUILD)), /a state is set on plain data/],
    [
      "a zip bomb",
      zipSync({ "archive/data.pkl": [new Uint8Array(1e7), { level: 9 }] }),
      /"archive\/data\.pkl" is compressed .*claim to unpack to 10000000.*refused/,
    ],
    [
      "a compressed storage",
      zipSync({ "archive/data.pkl": [plain, { level: 0 }], "archive/data/0": [new Uint8Array(8), { level: 9 }] }),
      /"archive\/data\/0" is compressed/,
    ],
    ["a zip file of something else", zipSync({ "word/document.xml": plain }), /holds 0 data\.pkl/],
    ["big-endian numbers", torchZip(plain, { byteorder: bytes("big") }), /byte order "big"/],
    ["metadata that is no text", torchZip(plain, { "extra/metadata.json": bytes("[1]") }), /no object of strings/],
    [
      "overlapping entries",
      falsified((view, at) => view.setUint32(at(2) + 42, view.getUint32(at(0) + 42, true) + 1, true)),
      /overlaps what follows|no local header/,
    ],
    [
      "two entries at one place",
      falsified((view, at) => view.setUint32(at(2) + 42, view.getUint32(at(0) + 42, true), true)),
      /overlaps what follows/,
    ],
    [
      "an entry out of range",
      falsified((view, at) => view.setUint32(at(0) + 42, 2 ** 31, true)),
      /overlaps what follows/,
    ],
    [
      "an entry larger than its place",
      falsified((view, at) => [20, 24].map((field) => view.setUint32(at(0) + field, 2 ** 20, true))),
      /overlaps what follows/,
    ],
    [
      "an entry that its own header moves onto the next",
      falsified((view) => view.setUint16(28, view.getUint16(28, true) + 64, true)),
      /"archive\/data\.pkl" overlaps what follows: it takes bytes 128 to/,
    ],
    [
      "two entries of one name",
      concatenate(
        encodeZip(
          ["a", "a"].map((name) => ({ name, bytes: plain })),
          crc32,
        ),
      ),
      /two entries "a"/,
    ],
    [
      "an entry of another name than its header's",
      falsified((view, at) => view.setUint8(at(0) + 46, 0x41)),
      /"Archive\/data\.pkl" calls itself "archive\/data\.pkl"/,
    ],
    ["an encrypted entry", falsified((view, at) => view.setUint16(at(0) + 8, 1, true)), /is encrypted/],
    ["a wrong checksum", falsified((view, at) => view.setUint32(at(2) + 16, 1, true)), /does not have its checksum/],
    ["a stream of another magic number", stream({ magic: "0123456789" }), /holds a bigint, no state dict/],
    [
      "a zip file of photos",
      zipSync({ "cats/1.jpg": plain }),
      /holds 0 data\.pkl where PyTorch's hold one: it is an archive of images; pass it as --data/,
    ],
    ["a stream of another protocol", stream({ protocol: 1002 }), /protocol is not 1001/],
    ["a big-endian stream", stream({ endian: OP.NEWFALSE }), /big-endian/],
    ["a stream with a storage that nothing uses", stream({ keys: "1" }), /"1" is listed twice, or in use by no tensor/],
    ["a stream with another count of numbers", stream({ count: 3 }), /has 3 numbers where the pickle speaks of 2/],
  ];
  it.each(cases)("%s", async (_, file, message) => {
    const failure = await readTorch(file).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(CheckpointError);
    expect((failure as Error).message).toMatch(message);
  });

  it("to execute anything: calls of functions become placeholders", async () => {
    const calls = [
      [global("os", "system"), tuple(text("true")), OP.REDUCE],
      [text("builtins"), text("eval"), OP.STACK_GLOBAL, tuple(text("1")), OP.REDUCE],
      [global("__main__", "Net"), OP.EMPTY_TUPLE, OP.NEWOBJ, OP.NONE, OP.BUILD],
      [text("a"), OP.EMPTY_TUPLE, OP.REDUCE],
    ];
    for (const call of calls) {
      const { tensors } = await readTorch(torchZip(pickle(dict(text("x"), call, text("w"), tensor()))));
      expect([...tensors.keys()]).toEqual(["w"]);
      await expect(readTorch(torchZip(pickle(call)))).rejects.toThrow(/there is no tensor in the file/);
    }
    const inst = bytes(OP.PROTO, 2, dict(text("x"), "(ios\nsystem\n", text("w"), tensor()), OP.STOP);
    const { unknown } = await openTorch(torchZip(inst));
    expect(unknown).toEqual(["os.system"]);
  });

  it("nor modules, whose parameters are read, and the tar form", async () => {
    const file = torchZip(pickle(moduleOf(tensor(), [text("0"), moduleOf(tensor())])));
    const { tensors, metadata } = await readTorch(file);
    expect([...tensors.keys()]).toEqual(["weight", "0.weight"]);
    expect(metadata).toEqual({});
    expect((await readTorch(torchTar())).tensors.get("w")).toEqual(tensorData("float32", [2], Float32Array.of(1, 2)));
  });

  it("not even metadata under odd names as anything but text", async () => {
    const file = torchZip(pickle(dict(text("__proto__"), integer(1), text("w"), tensor())));
    const { metadata } = await readTorch(file);
    expect(Object.getPrototypeOf(metadata)).toBe(Object.prototype);
    expect(Object.entries(metadata)).toEqual([["__proto__", "1"]]);
  });

  it("checksums only where asked to", async () => {
    const file = falsified((view, at) => view.setUint32(at(2) + 16, 1, true));
    expect((await readTorch(file, { verify: false })).tensors.get("w")!.data).toEqual(Float32Array.of(1, 2));
  });
});
