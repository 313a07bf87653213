import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "fflate";
import { parquetWriteBuffer } from "hyparquet-writer";
import { packTar } from "modern-tar";
import sharp from "sharp";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import {
  type Batch,
  createLoader,
  type Dataset,
  dataLoader,
  imageFolder,
  type Loader,
  memoryDataset,
  openDataset,
  shapes,
  subset,
  type Transform,
  type WorkerLoaderOptions,
  workerLoader,
} from "../../src/data/node/index.ts";
import { unless } from "../support/skip.ts";
import { put, sharedData, temporaryFolder } from "./support.ts";

vi.setConfig({ testTimeout: 60_000 }); // other processes may want the cores, too

const AUGMENT: readonly Transform[] = [
  { randomCrop: { size: 32, padding: 4 } },
  "randomHorizontalFlip",
  { colorJitter: { brightness: 0.3, contrast: 0.3, saturation: 0.3, hue: 0.1 } },
  { normalize: { mean: [0.5], std: [0.25] } },
  { randomErasing: { value: "random" } },
];

const TSX = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
const LIBRARY = new URL("../../src/data/node/index.ts", import.meta.url).href;

const root = temporaryFolder();
const open: Loader[] = [];
afterEach(async () => {
  for (const loader of open.splice(0)) await loader.close();
});

function load(dataset: Dataset, options: WorkerLoaderOptions): Loader {
  const loader = workerLoader(dataset, options);
  open.push(loader);
  return loader;
}

async function batchesOf(loader: Loader, epoch = 0, from = 0): Promise<Batch[]> {
  const batches: Batch[] = [];
  for await (const batch of loader.epoch(epoch, { from })) batches.push(batch);
  return batches;
}

/** n pictures of one pixel, its value the number. */
function numbered(n: number): Dataset {
  const images = Uint8Array.from({ length: n }, (_, i) => i);
  return memoryDataset({ name: "numbered", classes: ["a"], images, labels: new Int32Array(n), shape: [1, 1, 1] });
}

const samples = (batches: readonly Batch[]) => batches.flatMap((batch) => Array.from(batch.samples));

describe("order", () => {
  test("without shuffle, that of the set; the last batch may be smaller, or dropped", async () => {
    const batches = await batchesOf(dataLoader(numbered(10), { batchSize: 4 }));
    expect(batches.map(({ images }) => images.shape)).toEqual([
      [4, 1, 1, 1],
      [4, 1, 1, 1],
      [2, 1, 1, 1],
    ]);
    expect(samples(batches)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(Array.from(batches[2]!.images.data)).toEqual([8 / 255, 9 / 255].map(Math.fround));
    expect(samples(await batchesOf(dataLoader(numbered(10), { batchSize: 4, dropLast: true }))).length).toBe(8);
    expect(() => dataLoader(numbered(3), { batchSize: 4, dropLast: true })).toThrow("3 samples make no batch of 4");
    expect(() => dataLoader(numbered(3), { batchSize: 0 })).toThrow("batchSize must be ≥ 1, got 0");
  }); // prettier-ignore

  test("a shuffled epoch has every sample once, in an order of (seed, epoch)", async () => {
    const options = { batchSize: 7, shuffle: true, seed: 3 };
    const loader = dataLoader(numbered(50), options);
    const [first, second] = [samples(await batchesOf(loader, 0)), samples(await batchesOf(loader, 1))];
    expect([...first].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(second).not.toEqual(first);
    expect(samples(await batchesOf(dataLoader(numbered(50), options), 1))).toEqual(second);
    expect(samples(await batchesOf(dataLoader(numbered(50), { ...options, seed: 4 }), 0))).not.toEqual(first);
  });

  test("going on in the middle of an epoch gives the rest of it, exactly", async () => {
    const options = { batchSize: 8, shuffle: true, transforms: AUGMENT, mix: { mixup: 0.2, cutmix: 1 } };
    const set = shapes({ length: 60 });
    const whole = await batchesOf(dataLoader(set, options), 2);
    expect(await batchesOf(dataLoader(set, options), 2, 3)).toEqual(whole.slice(3));
    const interrupted = dataLoader(set, options);
    for await (const batch of interrupted.epoch(2)) if (batch.index === 2) break;
    expect(await batchesOf(interrupted, 2, 3)).toEqual(whole.slice(3));
  });
});

describe("workers", () => {
  const set = shapes({ length: 70 });
  const options = {
    batchSize: 16,
    shuffle: true,
    seed: 5,
    transforms: AUGMENT,
    mix: { mixup: 0.2, cutmix: 1, p: 0.8 },
  };

  test("any number of them gives the same batches", async () => {
    const inline = load(set, { ...options, workers: 0 });
    const expected = [...(await batchesOf(inline, 0)), ...(await batchesOf(inline, 1))];
    expect(expected.some(({ targets }) => targets !== undefined)).toBe(true);
    for (const workers of [1, 2, 3]) {
      const loader = load(set, { ...options, workers });
      expect([...(await batchesOf(loader, 0)), ...(await batchesOf(loader, 1))]).toEqual(expected);
      expect(loader.stats.workers).toBe(workers);
    }
  });

  test("targets come from workers as they do inline, mixed or not", async () => {
    const targets = Array.from({ length: 2 * set.length }, (_, i) => (i % 7) / 4);
    const several = memoryDataset({ ...set.memory, classes: [], labels: undefined, targets });
    for (const mix of [undefined, { mixup: 0.4 }]) {
      const some = { batchSize: 16, shuffle: true, mix };
      const expected = await batchesOf(load(several, { ...some, workers: 0 }));
      expect(expected[0]!.targets!.shape).toEqual([16, 2]);
      expect(await batchesOf(load(several, { ...some, workers: 1 }))).toEqual(expected);
    }
  });

  test("subsets, of memory that is shared or not", async () => {
    const { images } = set.memory;
    expect(images.buffer).toBeInstanceOf(SharedArrayBuffer);
    const copied = memoryDataset({ ...set.memory, images: new Uint8Array(images) });
    const indices = [5, 3, 60, 11];
    const expected = await batchesOf(load(subset(set, indices), { batchSize: 2, workers: 0 }));
    expect(await batchesOf(load(subset(set, indices), { batchSize: 2, workers: 2 }))).toEqual(expected);
    expect(await batchesOf(load(subset(copied, indices), { batchSize: 2, workers: 2 }))).toEqual(expected);
  });

  test("images in archives and in Parquet files", async () => {
    const image = await sharp({ create: { width: 8, height: 8, channels: 3, background: "red" } })
      .png()
      .toBuffer();
    const files = ["a/1.png", "a/2.png", "b/1.png"].map((name) => ({
      header: { name, size: image.length },
      body: image,
    }));
    const tar = put(join(root, "set.tar.gz"), gzipSync(await packTar(files)));
    const columnData = [
      { name: "image", data: [image, image, image].map((bytes) => new Uint8Array(bytes)), type: "BYTE_ARRAY" as const },
      { name: "label", data: [0n, 1n, 1n], type: "INT64" as const },
    ];
    const parquet = put(join(root, "set.parquet"), new Uint8Array(parquetWriteBuffer({ columnData })));
    for (const path of [tar, parquet]) {
      const set = await openDataset(path);
      const inline = await batchesOf(load(set, { batchSize: 2, workers: 0 }));
      expect(await batchesOf(load(set, { batchSize: 2, workers: 2 }))).toEqual(inline);
    }
  });

  test("a set of one's own, by its module", async () => {
    const folder = join(root, "own");
    const file = put(
      join(folder, "own.mjs"),
      `export const openDataset = ({ length }) => ({ name: "own", classes: ["a", "b"], length,
        get: async (i) => {
          if (i === 13) throw Object.assign(new Error("thirteen"), {});
          return { label: i % 2, image: { data: Uint8Array.of(i), channels: 1, height: 1, width: 1, offset: 0, strides: [1, 1, 1] } };
        } })`,
    );
    const { openDataset } = (await import(file)) as { openDataset: (options: { length: number }) => Dataset };
    const own: Dataset = {
      ...openDataset({ length: 20 }),
      source: { kind: "module", url: pathToFileURL(file).href, options: { length: 20 } },
    };
    const loader = load(own, { batchSize: 5, workers: 2 });
    const received: number[] = [];
    const run = async () => {
      for await (const batch of loader.epoch(0)) received.push(...batch.samples);
    };
    await expect(run()).rejects.toThrow("own, sample 13: Error: thirteen");
    expect(received).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const { source: _, ...without } = own;
    expect(() => workerLoader(without, { batchSize: 5, workers: 1 })).toThrow("own: workers cannot read this data set");
  });

  test("a process that makes no batch, and does not close, ends", () => {
    const program = `import { shapes, workerLoader } from ${JSON.stringify(LIBRARY)};
      workerLoader(shapes({ length: 10 }), { batchSize: 5, workers: 2 });`;
    const { status, signal } = spawnSync(process.execPath, ["--import", TSX, "--input-type=module", "-e", program], {
      timeout: 60_000,
    });
    expect({ status, signal }).toEqual({ status: 0, signal: null });
  });

  test("a worker that cannot start is an error of the batch, not a hang", async () => {
    const lost: Dataset = { ...numbered(4), source: { kind: "module", url: "file:///nowhere/own.mjs", options: {} } };
    await expect(batchesOf(load(lost, { batchSize: 2, workers: 1 }))).rejects.toThrow(/own\.mjs/);
  });

  test("after close, batches are refused, and closing twice is fine", async () => {
    const loader = load(set, { batchSize: 4, workers: 2 });
    const iterator = loader.epoch(0);
    expect((await iterator.next()).value!.index).toBe(0);
    await loader.close();
    await loader.close();
    await expect(batchesOf(loader, 3)).rejects.toThrow("shapes: the loader is closed");
  });

  test("wrong settings are errors", () => {
    expect(() => workerLoader(set, { batchSize: 4, workers: -1 })).toThrow("workers must be ≥ 0, got -1");
    expect(() => workerLoader(set, { batchSize: 4, prefetch: 0 })).toThrow("prefetch must be ≥ 1, got 0");
    expect(() => workerLoader(set, { batchSize: 4, transforms: ["blur" as "toTensor"] })).toThrow(
      'there is no transform "blur"',
    );
  });
});

describe("ahead of the consumer", () => {
  /** A maker that says which batches were asked for. */
  function recorder(ahead: number) {
    const asked: string[] = [];
    const inline = numbered(12);
    const loader = (shuffle: boolean) =>
      createLoader(
        inline,
        { batchSize: 4, shuffle },
        {
          workers: 0,
          ahead,
          async make({ epoch, index, samples }) {
            asked.push(`${epoch}.${index}`);
            const images = new Float32Array(samples.length);
            return {
              shape: [samples.length, 1, 1, 1],
              images,
              labels: new Int32Array(samples.length),
              samples,
              failures: [],
            };
          },
          close: async () => {},
        },
      ); // prettier-ignore
    return { asked, loader };
  }

  test("never more than asked for, and each batch once", async () => {
    const { asked, loader } = recorder(2);
    const epoch = loader(false).epoch(0);
    await epoch.next();
    expect(asked).toEqual(["0.0", "0.1", "0.2"]);
    await epoch.next();
    await epoch.next();
    expect((await epoch.next()).done).toBe(true);
    expect(asked).toEqual(["0.0", "0.1", "0.2"]);
  });

  test("a loader that shuffles begins the next epoch while this one is evaluated", async () => {
    const { asked, loader } = recorder(2);
    const shuffled = loader(true);
    await batchesOf(shuffled, 0);
    expect(asked).toEqual(["0.0", "0.1", "0.2", "1.0", "1.1"]);
    await batchesOf(shuffled, 1);
    expect(asked.slice(3)).toEqual(["1.0", "1.1", "1.2", "2.0", "2.1"]);
  });

  test("says how long the consumer waited", async () => {
    const slow: Dataset = {
      ...numbered(6),
      get: async (i) => {
        await new Promise((resolve) => setTimeout(resolve, 40));
        return numbered(6).get(i);
      },
    };
    const loader = dataLoader(slow, { batchSize: 1 });
    await batchesOf(loader);
    expect(loader.stats.utilisation).toBeLessThan(0.2);
    for await (const _ of loader.epoch(0)) await new Promise((resolve) => setTimeout(resolve, 120));
    const { batches, samples, waited, firstWait, elapsed, utilisation } = loader.stats;
    expect([batches, samples]).toEqual([6, 6]);
    expect(firstWait).toBeGreaterThan(35);
    expect(waited - firstWait).toBeLessThan(300);
    expect(utilisation).toBeCloseTo(1 - waited / elapsed, 10);
    expect(utilisation).toBeGreaterThan(0.5);
  });
});

const imagenette = sharedData("imagenette-small");
describe("real photographs", unless(imagenette.reason), () => {
  let set: Dataset;
  beforeAll(async () => {
    const val = await imageFolder(join(imagenette.folder, "val"));
    set = subset(
      val,
      Array.from({ length: 24 }, (_, i) => i * 20),
    );
  });

  test("decoded and augmented in workers as inline", async () => {
    const transforms: Transform[] = [{ randomResizedCrop: { size: 64 } }, "randomHorizontalFlip", "toTensor"];
    const options = { batchSize: 10, shuffle: true, transforms };
    const expected = await batchesOf(load(set, { ...options, workers: 0 }));
    expect(await batchesOf(load(set, { ...options, workers: 2 }))).toEqual(expected);
    expect(await batchesOf(load(set, { ...options, workers: 1 }))).toEqual(expected);
  });

  test("a corrupt file in a worker surfaces with its name, or is skipped", async () => {
    const folder = join(root, "corrupt");
    put(join(folder, "cat", "cut.jpg"), Buffer.from("ffd8ffe000104a46", "hex"));
    const { readFileSync } = await import("node:fs");
    put(join(folder, "cat", "good.jpg"), readFileSync(set.describe!(0)));
    const dataset = await imageFolder(folder);
    await expect(batchesOf(load(dataset, { batchSize: 2, workers: 1 }))).rejects.toThrow(
      `${join(folder, "cat", "cut.jpg")}: cannot`,
    );
    const skipping = load(dataset, { batchSize: 2, workers: 1, skipCorrupt: true });
    expect(samples(await batchesOf(skipping))).toEqual([1]);
    expect(skipping.skipped[0]!.file).toBe(join(folder, "cat", "cut.jpg"));
  });
});
