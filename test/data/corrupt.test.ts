/** Corrupt inputs: each is an error that names the file, and none stops a loader that is asked to skip. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { crc32 } from "../../src/checkpoint/crc32.ts";
import {
  type Batch,
  cifar10,
  DataError,
  type Dataset,
  dataLoader,
  decodeFile,
  idx,
  imageFolder,
  type Loader,
  openDataset,
  readCifar,
  split,
} from "../../src/data/node/index.ts";
import { cifarBytes, idxBytes, planes, put, temporaryFolder } from "./support.ts";

vi.setConfig({ testTimeout: 60_000 }); // other processes may want the cores, too

const root = temporaryFolder();
const at = (...path: string[]) => join(root, ...path);

/** Everything that can be wrong is a DataError, and its message begins with the file. */
async function expectDataError(action: () => Promise<unknown>, file: string, reason: string | RegExp): Promise<void> {
  const error = await action().then(
    () => new Error("it was accepted"),
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(DataError);
  expect((error as DataError).message).toMatch(reason);
  expect((error as DataError).message.startsWith(file), (error as DataError).message).toBe(true);
}

async function all(loader: Loader, epoch = 0): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of loader.epoch(epoch)) batches.push(batch);
  return batches;
}

describe("CIFAR", () => {
  const five = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`);

  test("a truncated .bin", async () => {
    const folder = at("truncated");
    for (const name of five) put(join(folder, name), cifarBytes([1, 2, 3]));
    put(join(folder, five[2]!), cifarBytes([4, 5, 6]).subarray(0, 2 * 3073 + 100));
    const reason = "the file is cut off: 6246 bytes are 2 records of 3073 bytes and 100 bytes";
    await expectDataError(() => cifar10(folder), join(folder, five[2]!), reason);

    const kept = await cifar10(folder, { skipCorrupt: true });
    expect(kept.length).toBe(14);
    expect(Array.from(kept.labels!.slice(5, 10))).toEqual([3, 4, 5, 1, 2]);
    expect(kept.describe!(7)).toBe("data_batch_3.bin, record 1");
    expect(kept.skipped).toEqual([{ file: join(folder, five[2]!), reason: expect.stringContaining(reason) }]);
    expect(split(kept, 0.5, 0).validation.skipped).toEqual(kept.skipped);
  });

  test("a missing file, an empty one, a label out of range", async () => {
    const folder = at("labels");
    for (const name of five.slice(1)) put(join(folder, name), cifarBytes([0, 1]));
    await expectDataError(() => cifar10(folder), join(folder, five[0]!), "there is no such file");
    put(join(folder, five[0]!), "");
    await expectDataError(() => cifar10(folder), join(folder, five[0]!), "0 bytes are 0 records");
    put(join(folder, five[0]!), cifarBytes([9, 10, 8]));
    await expectDataError(
      () => cifar10(folder),
      `${join(folder, five[0]!)}, record 1`,
      "label 10 is not one of the 10 classes",
    );
    const kept = await cifar10(folder, { skipCorrupt: true });
    expect(Array.from(kept.labels!.slice(0, 3))).toEqual([9, 8, 0]);
    expect(planes(kept.get(1))[0]).toBe(2); // the record after the bad one keeps its own pixels
    expect(kept.describe!(1)).toBe("data_batch_1.bin, record 2");
  });

  test("nothing left is an error even when skipping", async () => {
    const file = put(at("bad.bin"), "not records");
    const layout = { name: "bad", classes: ["a"], labelBytes: 1, skipCorrupt: true } as const;
    await expectDataError(() => readCifar([file], layout), "bad", "the data set has no samples");
  });

  test("CIFAR-100 takes the second label byte", async () => {
    const record = new Uint8Array(3074).fill(7);
    record[0] = 200;
    record[1] = 42;
    const folder = at("c100");
    put(join(folder, "train.bin"), record);
    put(join(folder, "fine_label_names.txt"), Array.from({ length: 100 }, (_, i) => `name${i}`).join("\n"));
    const dataset = await openDataset(folder);
    expect(dataset.classes[dataset.labels![0]!]).toBe("name42");
    expect(planes(await dataset.get(0))[0]).toBe(7);
    put(join(folder, "fine_label_names.txt"), "apple\n");
    await expectDataError(
      () => openDataset(folder),
      join(folder, "fine_label_names.txt"),
      "expected 100 class names, found 1",
    );
  });
});

describe("idx", () => {
  const images = "train-images-idx3-ubyte";
  const labels = "train-labels-idx1-ubyte";
  const good = idxBytes(
    [3, 2, 2],
    Uint8Array.from({ length: 12 }, (_, i) => i),
  );
  const folder = at("idx");

  test("a wrong magic number", async () => {
    put(join(folder, images), good);
    put(join(folder, labels), idxBytes([3], Uint8Array.of(0, 1, 2)));
    expect((await idx(folder)).length).toBe(3);
    const wrong = new Uint8Array(good);
    wrong[2] = 0x0d;
    put(join(folder, images), wrong);
    const reason = "not an idx file of images: it begins with 0x00000d03, not with 0x00000803";
    await expectDataError(() => idx(folder), `${join(folder, images)}, bytes 0 to 3`, reason);
    expect((await idx(folder, { skipCorrupt: true })).length).toBe(3); // the sizes fit the file
  });

  test("cut in the header, in the data, in the gzip stream; too long; a size that no file has", async () => {
    put(join(folder, images), good.subarray(0, 9));
    await expectDataError(() => idx(folder), join(folder, images), "9 bytes hold no idx header");
    put(join(folder, images), good.subarray(0, 22));
    await expectDataError(() => idx(folder), join(folder, images), "the header says 3×2×2 = 12 bytes, but there are 6");
    const kept = await idx(folder, { skipCorrupt: true });
    expect([kept.length, kept.skipped!.length]).toEqual([1, 1]);
    put(join(folder, images), Buffer.concat([good, Buffer.of(1)]));
    await expectDataError(() => idx(folder), join(folder, images), "the file is too long");
    put(join(folder, images), idxBytes([2 ** 32 - 1, 2 ** 31, 2 ** 31], new Uint8Array(4)));
    await expectDataError(() => idx(folder), join(folder, images), "the file is cut off");
    const { gzipSync } = await import("node:zlib");
    put(join(folder, images), gzipSync(good).subarray(0, 20));
    await expectDataError(() => idx(folder), join(folder, images), "cannot unzip: the file is cut off");
    put(join(folder, images), gzipSync(good));
    expect((await idx(folder)).length).toBe(3); // gzip is told by its bytes, whatever the name
  });

  test("labels that do not go with the images", async () => {
    put(join(folder, images), good);
    put(join(folder, labels), idxBytes([2], Uint8Array.of(0, 1)));
    await expectDataError(() => idx(folder), join(folder, labels), `2 labels do not go with 3 images in ${images}`);
    put(join(folder, labels), idxBytes([3], Uint8Array.of(0, 7, 1)));
    const classes = ["zero", "one"];
    await expectDataError(
      () => idx(folder, { classes }),
      `${join(folder, labels)}, label 1`,
      "label 7 is not one of the 2 classes",
    );
    expect((await idx(folder, { classes, skipCorrupt: true })).length).toBe(2);
  });
});

describe("pictures", () => {
  const folder = at("pictures");
  let jpeg: Buffer;
  beforeAll(async () => {
    const noise = Buffer.from(Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 2654435761) >>> 24));
    jpeg = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
      .jpeg()
      .toBuffer();
    for (let i = 0; i < 6; i++) put(join(folder, "cat", `${i}.jpg`), jpeg);
    const png = await sharp(noise, { raw: { width: 64, height: 64, channels: 3 } })
      .png()
      .toBuffer();
    put(join(folder, "dog", "cut.jpg"), jpeg.subarray(0, jpeg.length >> 1));
    put(join(folder, "dog", "cut.png"), png.subarray(0, png.length >> 1));
    put(join(folder, "dog", "empty.jpg"), "");
    put(join(folder, "dog", "good.png"), png);
    put(join(folder, "dog", "text.png"), "this is no picture");
    const one = await sharp({ create: { width: 1, height: 1, channels: 3, background: "red" } })
      .png()
      .toBuffer();
    put(join(folder, "dog", "one.png"), one);
    // the same, with the size 30,000×30,000 in its header: bytes 16 to 23, in the chunk whose checksum covers 12 to 28
    const huge = Buffer.from(one);
    huge.writeUInt32BE(30_000, 16);
    huge.writeUInt32BE(30_000, 20);
    huge.writeUInt32BE(crc32(huge.subarray(12, 29)), 29);
    put(join(folder, "dog", "huge.png"), huge);
  });

  test.each([
    ["cut.jpg", /cannot decode: .*(premature|end of|truncated)/i],
    ["cut.png", /cannot decode: /],
    ["empty.jpg", /cannot decode: the file is empty/],
    ["text.png", /cannot decode: .*unsupported image format/],
    ["huge.png", /the image has 30000×30000 = 900000000 pixels, more than the limit of 178956970/],
  ])("%s", async (name, reason) => {
    await expectDataError(() => decodeFile(join(folder, "dog", name)), join(folder, "dog", name), reason);
  });

  test("a JPEG cut anywhere is refused", async () => {
    for (let part = 1; part < 20; part++) {
      const file = put(at("cut.jpg"), jpeg.subarray(0, Math.floor((jpeg.length * part) / 20)));
      await expectDataError(() => decodeFile(file), file, "cannot decode: ");
    }
  });

  test("an image that is too large is refused before it takes memory or time", async () => {
    const before = process.memoryUsage().rss;
    const start = performance.now();
    await decodeFile(join(folder, "dog", "huge.png")).catch(() => {});
    expect(performance.now() - start).toBeLessThan(2000);
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 2 ** 20);
    await expectDataError(
      () => decodeFile(join(folder, "cat", "0.jpg"), { maxPixels: 4095 }),
      join(folder, "cat", "0.jpg"),
      "64×64",
    );
  });

  test("a 1×1 image is resized like any other", async () => {
    const image = await decodeFile(join(folder, "dog", "one.png"));
    expect([image.height, image.width, ...image.data]).toEqual([1, 1, 255, 0, 0]);
  });

  test("an empty class folder", async () => {
    const empty = at("empty-class");
    put(join(empty, "cat", "0.jpg"), jpeg);
    put(join(empty, "dog", "notes.txt"), "nothing to see");
    await expectDataError(
      () => imageFolder(empty),
      join(empty, "dog"),
      "the class folder has no images, only 1 other files",
    );
    const kept = await imageFolder(empty, { skipCorrupt: true });
    expect([kept.length, kept.classes, kept.skipped!.length]).toEqual([1, ["cat", "dog"], 1]);
    await expectDataError(
      () => imageFolder(at("empty-class", "cat")),
      at("empty-class", "cat"),
      "there are no class folders",
    );
    await expectDataError(() => imageFolder(at("nowhere")), at("nowhere"), "there is no such folder");
  });

  test("a loader stops at the first corrupt file and names it", async () => {
    const loader = dataLoader(await imageFolder(folder), { batchSize: 4, transforms: [{ resize: { size: [8, 8] } }] });
    await expectDataError(() => all(loader), join(folder, "dog", "cut.jpg"), "cannot decode");
  });

  test("a loader that skips goes on without them, and reports each once", async () => {
    const options = { batchSize: 4, skipCorrupt: true, transforms: [{ resize: { size: [8, 8] } } as const] };
    const loader = dataLoader(await imageFolder(folder), options);
    const batches = [...(await all(loader)), ...(await all(loader, 1))];
    expect(batches.map(({ samples }) => samples.length)).toEqual([4, 2, 2, 4, 2, 2]);
    expect(loader.skipped.map(({ file }) => file)).toEqual(
      ["cut.jpg", "cut.png", "empty.jpg", "huge.png", "text.png"].map((name) => join(folder, "dog", name)),
    );
    expect(loader.stats.samples).toBe(8);
  });

  test("an image of another size than its batch: named, with the remedy, and skipped where asked", async () => {
    const mixed = at("mixed");
    for (let i = 0; i < 3; i++) put(join(mixed, "cat", `${i}.jpg`), jpeg);
    put(join(mixed, "cat", "00.png"), readFileSync(join(folder, "dog", "one.png")));
    const dataset = await imageFolder(mixed);
    await expectDataError(
      () => all(dataLoader(dataset, { batchSize: 4 })),
      join(mixed, "cat", "00.png"),
      "after its transforms the image is 1×1 with 3 channels, but others of its batch are 64×64",
    );
    const loader = dataLoader(dataset, { batchSize: 4, skipCorrupt: true });
    expect((await all(loader))[0]!.images.shape).toEqual([3, 3, 64, 64]);
    expect(loader.skipped.length).toBe(1);
  });

  test("when every sample is skipped, that is an error", async () => {
    const dataset = await imageFolder(folder);
    const loader = dataLoader(dataset, {
      batchSize: 4,
      skipCorrupt: true,
      transforms: [{ randomCrop: { size: 100 } }],
    });
    await expectDataError(() => all(loader), "pictures", "every sample was skipped; the first: ");
  });

  test("a mistake in the program is never skipped", async () => {
    const broken: Dataset = {
      name: "broken",
      classes: ["a"],
      length: 1,
      get: () => {
        throw new TypeError("x is undefined");
      },
    };
    await expect(all(dataLoader(broken, { batchSize: 1, skipCorrupt: true }))).rejects.toThrow(
      "broken, sample 0: TypeError: x is",
    );
  });

  test("a label that is no class", async () => {
    const image = await decodeFile(join(folder, "cat", "0.jpg"));
    const wrong: Dataset = { name: "wrong", classes: ["a"], length: 1, get: () => ({ image, label: 3 }) };
    await expectDataError(
      () => all(dataLoader(wrong, { batchSize: 1 })),
      "wrong, sample 0",
      "label 3 is not one of the 1 classes",
    );
  });
});
