/**
 * Our safetensors files against a reader and a writer in plain Python, made from the format's published description, as
 * Debian has no package of the official ones.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Checkpoint, readCheckpoint, writeCheckpoint } from "../../src/checkpoint/node/index.ts";
import { type DType, fromBytes, itemSize, numel, type TensorData, toBytes } from "../../src/graph/tensor.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";

const SCRIPT = `
import hashlib, json, os, random, struct, sys

folder, count = sys.argv[1], int(sys.argv[2])
SIZES = dict(F64=8, F32=4, F16=2, BF16=2, I64=8, I32=4, I16=2, I8=1, U64=8, U32=4, U16=2, U8=1, BOOL=1)

def product(shape):
    n = 1
    for size in shape:
        n *= size
    return n

def read(path):
    data = open(path, "rb").read()
    (length,) = struct.unpack("<Q", data[:8])
    assert (8 + length) % 8 == 0 and data[8:9] == b"{" and data[8 + length - 1 : 8 + length] in (b"}", b" ")
    header = json.loads(data[8 : 8 + length].decode("utf-8"))
    metadata = header.pop("__metadata__", {})
    body, end, tensors = data[8 + length :], 0, {}
    for name, info in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, stop = info["data_offsets"]
        assert begin == end and stop - begin == product(info["shape"]) * SIZES[info["dtype"]]
        assert "python-" in path or (8 + length + begin) % SIZES[info["dtype"]] == 0
        tensors[name] = [info["dtype"], info["shape"], hashlib.sha256(body[begin:stop]).hexdigest()]
        end = stop
    assert end == len(body)
    return {"tensors": tensors, "metadata": metadata, "order": list(header)}

def write(path, seed):
    rng, body, header = random.Random(seed), b"", {}
    if seed % 2:
        header["__metadata__"] = {"format": "pt", "note": "ünïcode \\\\u2603 \\n"}
    for i in range(rng.randrange(6)):
        dtype, shape = rng.choice(list(SIZES)), [rng.randrange(5) for _ in range(rng.randrange(5))]
        bits = rng.randbytes(product(shape) * SIZES[dtype])
        header[f"layer.{i}.wëight"] = dict(dtype=dtype, shape=shape, data_offsets=[len(body), len(body) + len(bits)])
        body += bits
    text = json.dumps(header, ensure_ascii=bool(seed % 3)).encode("utf-8")
    text += b" " * (-len(text) % 8)
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + body)

for seed in range(count):
    write(os.path.join(folder, f"python-{seed}.safetensors"), seed)
print(json.dumps({name: read(os.path.join(folder, name)) for name in os.listdir(folder)}))
`;

const CODES: Record<DType, string> = {
  ...{ float64: "F64", float32: "F32", float16: "F16", bfloat16: "BF16" },
  ...{ int64: "I64", int32: "I32", int16: "I16", int8: "I8" },
  ...{ uint64: "U64", uint32: "U32", uint16: "U16", uint8: "U8", bool: "BOOL" },
};
const COUNT = 40;

interface Python {
  tensors: Record<string, [string, number[], string]>;
  metadata: Record<string, string>;
  order: string[];
}

const facts = (tensors: ReadonlyMap<string, TensorData>) =>
  Object.fromEntries(
    [...tensors].map(([name, tensor]) => {
      const hash = createHash("sha256").update(toBytes(tensor)).digest("hex");
      return [name, [CODES[tensor.dtype], [...tensor.shape], hash]];
    }),
  );

const anyTensor = fc
  .tuple(fc.constantFrom(...(Object.keys(CODES) as DType[])), fc.array(fc.nat(5), { maxLength: 4 }))
  .chain(([dtype, shape]) => {
    const length = numel(shape) * itemSize(dtype);
    return fc.uint8Array({ minLength: length, maxLength: length }).map((bits) => fromBytes(dtype, shape, bits.slice()));
  });
const anyCheckpoint: fc.Arbitrary<Checkpoint> = fc.record({
  tensors: fc.array(fc.tuple(fc.string({ unit: "grapheme", minLength: 1 }), anyTensor)).map((all) => new Map(all)),
  metadata: fc.dictionary(fc.string(), fc.string({ unit: "grapheme" }), { noNullPrototype: true }),
});

const reason = pythonSkipReason("json");

describe(`safetensors in Python`, unless(reason), () => {
  const checkpoints = fc.sample(anyCheckpoint, { numRuns: COUNT, seed: 1 });
  let folder: string;
  let answer: Record<string, Python>;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "safetensors-"));
    for (const [i, checkpoint] of checkpoints.entries()) {
      await writeCheckpoint(join(folder, `ours-${i}.safetensors`), checkpoint);
    }
    answer = JSON.parse(python(SCRIPT, { args: [folder, `${COUNT}`] }));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("reads our files bit for bit, metadata included, in the order of the state dict", () => {
    for (const [i, { tensors, metadata }] of checkpoints.entries()) {
      const theirs = answer[`ours-${i}.safetensors`]!;
      expect(theirs.tensors).toEqual(facts(tensors));
      expect(theirs.metadata).toEqual(metadata);
      expect(theirs.order).toEqual([...tensors.keys()]);
    }
  });

  it("writes files that hold the same bits here", async () => {
    for (let i = 0; i < COUNT; i++) {
      const name = `python-${i}.safetensors`;
      const { tensors, metadata } = await readCheckpoint(join(folder, name), { convert: "none" });
      expect(facts(tensors)).toEqual(answer[name]!.tensors);
      expect(metadata).toEqual(answer[name]!.metadata);
      expect([...tensors.keys()]).toEqual(answer[name]!.order);
    }
  });
});
