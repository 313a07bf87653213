/**
 * Mutated real files and random bytes: whatever they hold, the readers throw a CheckpointError or return tensors, in short
 * time, and take no more memory than the file's size allows. The cases are the same in every run.
 */
import { readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import {
  CheckpointError,
  inMemory,
  type RandomAccess,
  readWeights,
  writeSafetensors,
} from "../../src/checkpoint/index.ts";
import { OP } from "../../src/checkpoint/opcodes.ts";
import { locateZipEntry, readZipDirectory } from "../../src/checkpoint/zip.ts";
import { type TensorData, tensor } from "../../src/graph/tensor.ts";
import { Random } from "../../src/random.ts";
import {
  bytes,
  dict,
  global,
  integer,
  moduleOf,
  pickle,
  tensor as storedTensor,
  text,
  torchTar,
  torchZip,
  tuple,
  uint32,
} from "./hostile.ts";

const SEED = 4;
/** Of each kind; more: `FUZZ_RUNS=100000 npx vitest run test/checkpoint/fuzz`. */
const CASES = Number(process.env.FUZZ_RUNS ?? 500);
/** Processor time that one case may take, in ms. */
const MAX_TIME = 2_000;
/** Strided views may unfold to 4 times the file, float16 doubles; small files have a megabyte of slack. */
const MAX_GROWTH = 10;
const SLACK = 3 * 2 ** 20;

const fixture = (name: string) => new Uint8Array(readFileSync(new URL(`fixtures/${name}`, import.meta.url)));
const zip = fixture("zip.pth");
const stream = fixture("stream.pth");
const safetensors = writeSafetensors({
  tensors: new Map<string, TensorData>([
    ["features.0.weight", tensor("float32", [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6))],
    ["features.0.bias", tensor("float16", [3], Uint16Array.of(1, 2, 3))],
    ["count", tensor("int64", [], BigInt64Array.of(9n))],
    ["empty", tensor("uint8", [0, 4], new Uint8Array(0))],
  ]),
  metadata: { architecture: "tiny", classes: '["cat","dog"]' },
});

/** Values that break arithmetic. */
const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];

/** One to four changes: bits, bytes, numbers, pieces left out, doubled, moved, or the end cut off. */
function mutate(file: Uint8Array, random: Random): Uint8Array {
  let bytes = file.slice();
  for (let left = 1 + random.integer(4); left > 0 && bytes.length > 0; left--) {
    const at = random.integer(bytes.length);
    const length = 1 + random.integer(Math.min(16, bytes.length - at));
    const piece = bytes.slice(at, at + length);
    switch (random.integer(8)) {
      case 0:
        bytes[at]! ^= 1 << random.integer(8);
        break;
      case 1:
        bytes[at] = random.integer(256);
        break;
      case 2: {
        const view = new DataView(bytes.buffer);
        const edge = EDGES[random.integer(EDGES.length)]!;
        if (at + 4 <= bytes.length) view.setUint32(at, edge, true);
        else bytes[at] = edge;
        break;
      }
      case 3: // a digit of a header, to another
        for (let i = 0, j = at; i < bytes.length; i++, j = (j + 1) % bytes.length) {
          if (bytes[j]! >= 0x30 && bytes[j]! <= 0x39) {
            bytes[j] = 0x30 + random.integer(10);
            break;
          }
        }
        break;
      case 4:
        bytes = joined(bytes.subarray(0, at), bytes.subarray(at + length));
        break;
      case 5:
        bytes = joined(bytes.subarray(0, at), piece, bytes.subarray(at));
        break;
      case 6: {
        const to = random.integer(bytes.length);
        bytes.set(piece.subarray(0, bytes.length - to), to);
        break;
      }
      default:
        if (random.integer(4) === 0) bytes = bytes.slice(0, at);
    }
  }
  return bytes;
}

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  return bytes(...parts) as Uint8Array<ArrayBuffer>;
}

function randomBytes(length: number, random: Random): Uint8Array {
  return Uint8Array.from({ length }, () => random.integer(256));
}

/** Opcodes in random order with arguments that occur in checkpoints: most of it gets far into the machine. */
function randomPickle(random: Random): Uint8Array {
  const opcodes = Object.values(OP).filter((opcode) => opcode !== OP.STOP && opcode !== OP.PROTO);
  const pieces = [
    () => text(["a", "model", "state_dict", "storage", "0"][random.integer(5)]!),
    () => integer(EDGES[random.integer(EDGES.length)]!),
    () => storedTensor({ shape: [random.integer(4)], offset: random.integer(3), stride: [random.integer(4)] }),
    () => dict(text("a"), storedTensor()),
    () => tuple(integer(1), integer(2)),
    () => [global("torch._utils", "_rebuild_parameter"), tuple(storedTensor()), OP.REDUCE],
    () => [OP.BINPUT, random.integer(4)],
    () => [OP.BINGET, random.integer(4)],
    () => [OP.EMPTY_DICT, text("model")],
    () => [global("collections", "OrderedDict"), OP.EMPTY_TUPLE, OP.REDUCE],
    () => [global("os", "system"), tuple(text("true")), OP.REDUCE],
    () => moduleOf(storedTensor()),
    () => opcodes[random.integer(opcodes.length)]!,
  ];
  const parts = Array.from({ length: random.integer(24) }, () => pieces[random.integer(pieces.length)]!());
  return pickle(...parts);
}

/** Reads bytes as a file whose reads are counted, and checks what comes of it. */
async function survives(file: Uint8Array): Promise<"read" | "refused"> {
  let taken = 0;
  const access: RandomAccess = {
    size: file.length,
    read: (offset, length) => {
      taken += length;
      return file.slice(offset, offset + length);
    },
  };
  const start = process.cpuUsage();
  let outcome: "read" | "refused";
  try {
    const { tensors } = await readWeights(access, { verify: false });
    const buffers = new Set([...tensors.values()].map(({ data }) => data.buffer));
    const held = [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0);
    expect(held).toBeLessThanOrEqual(MAX_GROWTH * file.length + SLACK);
    for (const { shape, data } of tensors.values()) {
      expect(data.length).toBe(shape.reduce((product, size) => product * size, 1));
    }
    outcome = "read";
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    expect(error.message.length).toBeLessThan(2_000);
    outcome = "refused";
  }
  expect(taken).toBeLessThanOrEqual(MAX_GROWTH * file.length + SLACK);
  expect(process.cpuUsage(start).user / 1000).toBeLessThan(MAX_TIME);
  return outcome;
}

/** The records of a zip file by name, without the folder that they are in. */
async function recordsOf(file: Uint8Array): Promise<Record<string, Uint8Array>> {
  const access = inMemory(file);
  const records: Record<string, Uint8Array> = {};
  for (const [name, entry] of await readZipDirectory(access)) {
    const { offset, length } = await locateZipEntry(access, entry);
    records[name.slice(name.indexOf("/") + 1)] = file.slice(offset, offset + length);
  }
  return records;
}

const tarForm = torchTar();
const modulePickle = pickle(dict(text("model"), moduleOf(storedTensor(), [text("0"), moduleOf(storedTensor())])));
const array = (() => {
  const type = [global("numpy", "dtype"), tuple(text("f4"), OP.NEWFALSE, OP.NEWTRUE), OP.REDUCE];
  const empty = [global("numpy.core.multiarray", "_reconstruct"), tuple(global("numpy", "ndarray")), OP.REDUCE];
  const numbers = [OP.BINBYTES, uint32(8), new Uint8Array(8)];
  return [empty, tuple(integer(1), tuple(integer(2)), type, OP.NEWFALSE, numbers), OP.BUILD];
})();
const scripted = (() => {
  const object = (name: string, ...state: Parameters<typeof dict>) => [
    global(`__torch__.${name}`, "Net"),
    OP.EMPTY_TUPLE,
    OP.NEWOBJ,
    dict(...state),
    OP.BUILD,
  ];
  const quantizer = tuple(global("torch", "per_tensor_affine"), OP.BINFLOAT, new Uint8Array(8), integer(0));
  const storage = tuple(text("storage"), global("torch", "QInt8Storage"), text("q"), text("cpu"), integer(4));
  const sizes = [tuple(integer(4)), tuple(integer(1))];
  const made = tuple(storage, OP.BINPERSID, integer(0), sizes, quantizer, OP.NEWFALSE, OP.NONE);
  const packed = [global("torch._utils", "_rebuild_qtensor"), made, OP.REDUCE];
  const below = [
    global("__torch__.quantized", "Conv2d"),
    OP.EMPTY_TUPLE,
    OP.NEWOBJ,
    tuple(integer(3), packed, storedTensor()),
    OP.BUILD,
  ];
  return pickle(object("a", text("training"), OP.NEWFALSE, text("conv"), below, text("w"), storedTensor()));
})();
const scriptRecords = { "constants.pkl": pickle(OP.EMPTY_TUPLE), "data/q": new Uint8Array(4) };

const { "data.pkl": zipPickle, ...zipRecords } = await recordsOf(zip);
const headerLength = new DataView(safetensors.buffer).getUint32(0, true);
const header = safetensors.subarray(8, 8 + headerLength);
const starts = [zip, stream, safetensors].map((file) => file.subarray(0, 40));

const sources: [string, (random: Random) => Uint8Array][] = [
  ["safetensors", (random) => mutate(safetensors, random)],
  [
    "safetensors whose header alone is changed",
    (random) => {
      const changed = mutate(header, random);
      return bytes(uint32(changed.length), uint32(0), changed, safetensors.subarray(8 + headerLength));
    },
  ],
  ["the zip form", (random) => mutate(zip, random)],
  ["the zip form whose pickle alone is changed", (random) => torchZip(mutate(zipPickle!, random), zipRecords)],
  ["the stream form", (random) => mutate(stream, random)],
  ["the tar form", (random) => mutate(tarForm, random)],
  ["modules", (random) => torchZip(mutate(modulePickle, random))],
  ["TorchScript", (random) => torchZip(mutate(scripted, random), scriptRecords)],
  ["pickles that hold their arrays", (random) => mutate(pickle(dict(text("w"), array)), random)],
  ["pickles of random opcodes", (random) => torchZip(randomPickle(random))],
  [
    "random bytes, alone and after the start of a real file",
    (random) => {
      const start = starts[random.integer(2 * starts.length)] ?? new Uint8Array(0);
      return bytes(start.subarray(0, random.integer(start.length + 1)), randomBytes(random.integer(300), random));
    },
  ],
];

describe(`${sources.length * CASES} hostile files`, () => {
  const outcomes = { read: 0, refused: 0 };
  afterAll(() => console.info(`fuzz: ${outcomes.read} files read, ${outcomes.refused} refused`));

  it.each(sources)("%s", { timeout: 60_000 }, async (name, make) => {
    const before = { ...outcomes };
    for (let i = 0; i < CASES; i++) {
      const file = make(new Random(SEED, name, i));
      try {
        outcomes[await survives(file)]++;
      } catch (error) {
        throw new Error(`case ${i}: ${Buffer.from(file).toString("base64")}`, { cause: error });
      }
    }
    // Neither is everything refused at the door, nor are the changes without effect.
    expect(outcomes.refused - before.refused).toBeGreaterThan(CASES / 10);
    if (!name.startsWith("random")) expect(outcomes.read - before.read).toBeGreaterThan(CASES / 100);
  });
});
