/** Bytes of files as nobody should send them: pickles opcode by opcode, zip files record by record. */
import { concatenate } from "../../src/checkpoint/access.ts";
import { crc32 } from "../../src/checkpoint/crc32.ts";
import { OP } from "../../src/checkpoint/opcodes.ts";
import { encodeZip } from "../../src/checkpoint/zip-write.ts";

type Part = number | string | Uint8Array | readonly Part[];

/** Opcodes and their arguments: numbers are bytes, strings their Latin-1 bytes. */
export function bytes(...parts: Part[]): Uint8Array {
  return join(parts);
}

function join(parts: readonly Part[]): Uint8Array {
  return concatenate(
    parts.map((part) => {
      if (typeof part === "number") return Uint8Array.of(part);
      if (typeof part === "string") return Uint8Array.from(part, (character) => character.charCodeAt(0));
      return part instanceof Uint8Array ? part : join(part);
    }),
  );
}

export function uint32(value: number): Uint8Array {
  const result = new Uint8Array(4);
  new DataView(result.buffer).setUint32(0, value, true);
  return result;
}

export const text = (value: string): Part => [OP.BINUNICODE, uint32(value.length), value];
export const integer = (value: number): Part => [OP.BININT, uint32(value)];
export const global = (module: string, name: string): Part => [OP.GLOBAL, `${module}\n${name}\n`];
export const tuple = (...parts: Part[]): Part => [OP.MARK, parts, OP.TUPLE];
export const dict = (...items: Part[]): Part => [OP.EMPTY_DICT, OP.MARK, items, OP.SETITEMS];

export interface View {
  type?: string;
  key?: string;
  numel?: number;
  offset?: number;
  shape?: number[];
  stride?: number[];
}

/** A tensor that views a storage; by default the first two numbers of storage "0", which has two. */
export function tensor(view: View = {}): Part {
  const { type = "FloatStorage", key = "0", numel = 2, offset = 0, shape = [2], stride = [1] } = view;
  const storage = tuple(text("storage"), global("torch", type), text(key), text("cpu"), integer(numel));
  const hooks = [global("collections", "OrderedDict"), OP.EMPTY_TUPLE, OP.REDUCE];
  const sizes = [tuple(...shape.map(integer)), tuple(...stride.map(integer))];
  return [
    global("torch._utils", "_rebuild_tensor_v2"),
    tuple(storage, OP.BINPERSID, integer(offset), sizes, OP.NEWFALSE, hooks),
    OP.REDUCE,
  ];
}

export function pickle(...parts: Part[]): Uint8Array {
  return bytes(OP.PROTO, 2, parts, OP.STOP);
}

/** The zip form around a pickle; storage "0" holds the numbers 1 and 2 unless the records say otherwise. */
export function torchZip(data: Uint8Array, records: Record<string, Uint8Array> = {}): Uint8Array {
  const all: Record<string, Uint8Array> = {
    "data.pkl": data,
    byteorder: bytes("little"),
    "data/0": new Uint8Array(Float32Array.of(1, 2).buffer),
    version: bytes("3\n"),
    ...records,
  };
  const inputs = Object.entries(all).map(([name, content]) => ({ name: `archive/${name}`, bytes: content }));
  return concatenate(encodeZip(inputs, crc32));
}

/** A tar archive. */
export function tar(files: Record<string, Uint8Array>): Uint8Array {
  const blocks = Object.entries(files).map(([name, content]) => {
    const header = bytes(name.padEnd(124, "\0"), content.length.toString(8).padStart(11, "0"), "\0");
    const block = bytes(header, "".padEnd(121, "\0"), "ustar", "".padEnd(250, "\0"));
    return bytes(block, content, new Uint8Array((512 - (content.length % 512)) % 512));
  });
  return bytes(...blocks, new Uint8Array(1024));
}

/** The tar form of torch.save: storage 0 has the numbers 1 and 2, of which a view, 5, is tensor 7; the pickle refers to it. */
export function torchTar(): Uint8Array {
  const int64 = (...values: number[]) => new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
  const floats = new Uint8Array(Float32Array.of(1, 2).buffer);
  const described = tuple(integer(0), text("cpu"), global("torch", "FloatStorage"));
  const views = [OP.EMPTY_LIST, tuple(integer(5), integer(0), integer(0), integer(2)), OP.APPEND];
  return tar({
    sys_info: pickle(dict(text("little_endian"), OP.NEWTRUE)),
    storages: bytes(pickle(integer(1)), pickle(described), int64(2), floats, pickle(views)),
    tensors: bytes(
      pickle(integer(1)),
      pickle(tuple(integer(7), integer(5), global("torch", "FloatTensor"))),
      int64(1, 2, 1, 0),
    ),
    pickle: pickle(dict(text("w"), [text("7"), OP.BINPERSID])),
  });
}

/** A pickled module with a weight, a buffer that is not kept, and a module below. */
export function moduleOf(weight: Part, below: readonly Part[] = []): Part {
  const state = dict(
    text("_parameters"),
    dict(text("weight"), weight, text("bias"), OP.NONE),
    text("_buffers"),
    dict(text("cache"), weight),
    text("_non_persistent_buffers_set"),
    [global("__builtin__", "set"), tuple([OP.EMPTY_LIST, text("cache"), OP.APPEND]), OP.REDUCE],
    text("_modules"),
    dict(...below),
  );
  return [global("__main__", "Net"), OP.EMPTY_TUPLE, OP.NEWOBJ, state, OP.BUILD];
}

/** A safetensors file with any header. */
export function safetensors(header: unknown, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const json = typeof header === "string" ? header : JSON.stringify(header);
  const encoded = new TextEncoder().encode(json);
  return bytes(uint32(encoded.length), uint32(0), encoded, data);
}
