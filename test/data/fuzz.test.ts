/**
 * Damaged files of every form give a clear error or a data set, in bounded time and memory.
 *
 *     FUZZ_ROUNDS=100000 npx vitest run test/data/fuzz.test.ts
 */
import { join } from "node:path";
import { gzipSync, zipSync } from "fflate";
import { parquetWriteBuffer } from "hyparquet-writer";
import { packTar } from "modern-tar";
import { expect, test } from "vitest";
import { encodeNpz } from "../../src/checkpoint/index.ts";
import { DataError, decodeImage, locateDataset } from "../../src/data/node/index.ts";
import { type TensorData, tensor } from "../../src/graph/index.ts";
import { Random } from "../../src/random.ts";
import { bmp } from "../support/bmp.ts";
import { put, temporaryFolder } from "./support.ts";

const root = temporaryFolder();
const ROUNDS = Number(process.env.FUZZ_ROUNDS ?? 60);

const text = (value: string) => new TextEncoder().encode(value);
const ppm = text("P6\n# x\n3 2\n255\nabcdefghijklmnopqr");
const entries = { "a/1.ppm": ppm, "a/2.ppm": ppm, "b/1.ppm": ppm, "labels.csv": text("file,label\na/1.ppm,x\n") };
const pixels = Array.from({ length: 16 }, (_, i) => i).join(",");

const files: Readonly<Record<string, () => Uint8Array | Promise<Uint8Array>>> = {
  "set.zip": () => zipSync(entries),
  "set.tar": () =>
    packTar(Object.entries(entries).map(([name, body]) => ({ header: { name, size: body.length }, body }))), // prettier-ignore
  "set.tar.gz": async () => gzipSync(await files["set.tar"]!()),
  "set.npz": () =>
    Buffer.concat([
      ...encodeNpz(
        new Map<string, TensorData>([
          ["x", tensor("uint8", [2, 4, 4], new Uint8Array(32))],
          ["y", tensor("int64", [2], BigInt64Array.of(0n, 1n))],
        ]),
      ),
    ]), // prettier-ignore
  "set.parquet": () =>
    new Uint8Array(
      parquetWriteBuffer({
        columnData: [
          { name: "image", data: [ppm, ppm, ppm], type: "BYTE_ARRAY" },
          { name: "label", data: [0n, 1n, 1n], type: "INT64" },
        ],
      }),
    ),
  "pixels.csv": () => text(`label,${pixels.replaceAll(/\d+/g, "p$&")}\n3,${pixels}\n"4",${pixels}\n`),
  "set.jsonl": () => text('{"file":"1.ppm","label":["a","b"]}\n{"file":"1.ppm","label":["b"]}\n'),
};

/** A file with a few bytes changed, left out, doubled or cut off. */
function mutated(bytes: Uint8Array, random: Random): Uint8Array {
  let out = bytes.slice();
  for (let changes = 1 + random.integer(4); changes > 0; changes--) {
    const at = random.integer(Math.max(1, out.length));
    const kind = random.integer(6);
    if (kind === 0) out = out.slice(0, at);
    else if (kind === 1) out = new Uint8Array([...out.subarray(0, at), ...out.subarray(at + 1 + random.integer(8))]);
    else if (kind === 2) out = new Uint8Array([...out.subarray(0, at), ...out.subarray(Math.max(0, at - 9))]);
    else if (kind === 3) out.fill(random.integer(2) * 255, at, at + 4);
    else out[at] = random.integer(256);
  }
  return out;
}

/** Opens a data set and reads all of it. What it throws has to be a DataError. */
async function readAll(path: string): Promise<void> {
  try {
    const found = await locateDataset(path);
    for (const split of found.splits) {
      const set = await found.open(split);
      for (let i = 0; i < Math.min(set.length, 8); i++) await set.get(i);
    }
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    expect(error.message).not.toMatch(/"undefined"|is not a function|Cannot read prop/);
  }
}

test.each(Object.keys(files))("damaged %s", async (name) => {
  const whole = await files[name]!();
  const folder = join(root, name.replaceAll(".", "-"));
  put(join(folder, "1.ppm"), ppm);
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = round === 0 ? whole : mutated(whole, new Random(1, name, round));
    await readAll(put(join(folder, `${round % 2}`, name), bytes)).catch((error: Error) => {
      throw new Error(`round ${round}: ${error.message}`, { cause: error });
    });
  }
  const used = process.memoryUsage().rss / 2 ** 20;
  expect(used).toBeLessThan(3000);
});

test.each([
  ["ppm", ppm],
  ["text", text("P2 3 2 15\n1 2 3 4 5 15")],
  ["bits", text("P1 3 2\n101 010")],
  ["bmp", bmp()],
  ["16-bit bmp", bmp(16)],
  ["4-bit bmp", bmp(4)],
  ["rle8", bmp(8, 1)],
  ["rle4", bmp(4, 2)],
])("damaged images: %s", async (name, whole) => {
  for (let round = 0; round < ROUNDS * 5; round++) {
    const bytes = mutated(whole, new Random(2, name, round));
    await decodeImage(bytes, { maxPixels: 1e5 }).catch((error) => {
      if (!(error instanceof DataError)) throw new Error(`round ${round}: ${error.message}`, { cause: error });
    });
  }
});
