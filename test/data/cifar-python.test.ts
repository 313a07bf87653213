/** The Python versions of CIFAR: pickles of Python 2 and 3, in a folder and in an archive. */
import { join } from "node:path";
import { gzipSync } from "fflate";
import { packTar } from "modern-tar";
import { expect, test } from "vitest";
import { locateDataset, openDataset } from "../../src/data/node/index.ts";
import { pickledBatch, pickledNames } from "../fuzz/pickles.ts";
import { put, temporaryFolder } from "./support.ts";

const root = temporaryFolder();
const TEN = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
const batch = (protocol: 2 | 3, labels: number[], key = "labels") =>
  pickledBatch(protocol, labels, { pixels: 1024, key });

/** Label, and the first byte of each color. */
async function samples(path: string, split: "train" | "test") {
  const set = await openDataset(path, { split });
  const all = [];
  for (let i = 0; i < set.length; i++) {
    const { image, label } = await set.get(i);
    const { data, offset, strides } = image;
    all.push([label, ...[0, 1, 2].map((channel) => data[offset + channel * strides[0]])]);
  }
  return all;
}

test.each([2, 3] as const)("CIFAR-10, pickled by Python %i", async (protocol) => {
  const folder = join(root, `ten-${protocol}`);
  put(join(folder, "data_batch_1"), batch(protocol, [3, 0]));
  put(join(folder, "data_batch_2"), batch(protocol, [9]));
  put(join(folder, "test_batch"), batch(protocol, [1]));
  put(join(folder, "batches.meta"), pickledNames(protocol, "label_names", TEN));
  const { format, splits, open } = await locateDataset(folder);
  expect([format, splits, (await open("train")).classes]).toEqual(["cifar10", ["train", "test"], TEN]);
  expect(await samples(folder, "train")).toEqual([
    [3, 30, 31, 32],
    [0, 0, 1, 2],
    [9, 90, 91, 92],
  ]); // prettier-ignore
  expect(await samples(folder, "test")).toEqual([[1, 10, 11, 12]]);
});

test("CIFAR-100 in a .tar.gz file", async () => {
  const names = Array.from({ length: 100 }, (_, i) => `class ${i}`);
  const files = {
    "cifar-100-python/train": batch(2, [7, 2], "fine_labels"),
    "cifar-100-python/test": batch(2, [5], "fine_labels"),
    "cifar-100-python/meta": pickledNames(2, "fine_label_names", names),
  };
  const tar = await packTar(
    Object.entries(files).map(([name, body]) => ({ header: { name, size: body.length }, body })),
  ); // prettier-ignore
  const path = put(join(root, "cifar-100-python.tar.gz"), gzipSync(tar));
  expect((await locateDataset(path)).format).toBe("cifar100");
  expect(await samples(path, "train")).toEqual([
    [7, 70, 71, 72],
    [2, 20, 21, 22],
  ]); // prettier-ignore
});

test("a damaged batch is named, or skipped", async () => {
  const folder = join(root, "bad");
  put(join(folder, "data_batch_1"), batch(2, [3]));
  put(join(folder, "data_batch_2"), batch(2, [3]).subarray(0, 900));
  put(join(folder, "data_batch_3"), batch(2, [12]));
  await expect(openDataset(folder)).rejects.toThrow(/data_batch_2: pickle: it is cut short/);
  const set = await openDataset(folder, { skipCorrupt: true });
  expect([set.length, set.skipped?.map(({ reason }) => reason.slice(0, 30))]).toEqual([
    1,
    ["pickle: it is cut short", 'it has no "data" [N, 3072] wit'],
  ]); // prettier-ignore
});
