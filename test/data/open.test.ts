import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { type Dataset, locateDataset, openDataset } from "../../src/data/node/index.ts";
import { cifarBytes, idxBytes, put, sharedData, temporaryFolder } from "./support.ts";

const root = temporaryFolder();
let png: Buffer;
beforeAll(async () => {
  png = await sharp({ create: { width: 2, height: 2, channels: 3, background: "red" } })
    .png()
    .toBuffer();
});

const pictures = (...path: string[]) => put(join(root, ...path), png);

describe("by what a folder holds", () => {
  test("CIFAR-10, also below a folder that only wraps it", async () => {
    const folder = join(root, "c10", "cifar-10-batches-bin");
    for (let i = 1; i <= 5; i++) put(join(folder, `data_batch_${i}.bin`), cifarBytes([i]));
    expect(await locateDataset(folder)).toMatchObject({ format: "cifar10", splits: ["train"] });
    const wrapped = await locateDataset(join(root, "c10"));
    expect(wrapped).toMatchObject({ name: "c10", format: "cifar10", folder });
    await expect(wrapped.open("test")).rejects.toThrow("there is no test part, only train; hold one back");
    expect((await wrapped.open("train")).length).toBe(5);
  });

  test("idx, with class names from a file, the folder's name, or none", async () => {
    for (const name of ["digits", "my-fashion"]) {
      put(join(root, name, "raw", "train-images.idx3-ubyte"), idxBytes([1, 1, 1], Uint8Array.of(1)));
      put(join(root, name, "raw", "train-labels.idx1-ubyte"), idxBytes([1], Uint8Array.of(2)));
    }
    const digits = await openDataset(join(root, "digits"));
    expect([digits.name, digits.classes]).toEqual(["digits", ["0", "1", "2"]]);
    put(join(root, "digits", "raw", "classes.txt"), "zero\none\ntwo\n");
    expect((await openDataset(join(root, "digits"))).classes).toEqual(["zero", "one", "two"]);
    expect((await openDataset(join(root, "my-fashion"))).classes[2]).toBe("Pullover");
  });

  test("pictures in class folders, without parts", async () => {
    for (const name of ["dog", "cat"]) pictures("plain", name, "a.png");
    pictures("plain", "cat", "deep", "b.PNG");
    put(join(root, "plain", ".cache", "c.png"), png);
    put(join(root, "plain", "README.md"), "");
    const found = await locateDataset(join(root, "plain"));
    expect(found).toMatchObject({ format: "image-folder", splits: ["train"] });
    const dataset = await found.open("train");
    expect([dataset.classes, Array.from(dataset.labels!)]).toEqual([
      ["cat", "dog"],
      [0, 0, 1],
    ]);
  }); // prettier-ignore

  test("pictures in parts: a part that lacks a class keeps the labels of the training part", async () => {
    for (const name of ["ant", "bee", "cow"]) pictures("parts", "train", name, "a.png");
    for (const name of ["bee", "cow"]) pictures("parts", "valid", name, "a.png");
    const found = await locateDataset(join(root, "parts"), { skipCorrupt: false });
    expect(found.splits).toEqual(["train", "val"]);
    const val = await found.open("val");
    expect([val.classes, Array.from(val.labels!)]).toEqual([
      ["ant", "bee", "cow"],
      [1, 2],
    ]);
    expect((await found.open("test")).length).toBe(2); // the only part that is held out
    pictures("parts", "valid", "wasp", "a.png");
    await expect(found.open("val")).rejects.toThrow("the class folders wasp are not among those of the training part");
  }); // prettier-ignore

  test("a training part alone; a class that is called train", async () => {
    for (const name of ["ant", "bee"]) pictures("alone", "train", name, "a.png");
    const alone = await locateDataset(join(root, "alone"));
    expect(alone.splits).toEqual(["train"]);
    expect((await alone.open("train")).classes).toEqual(["ant", "bee"]);
    for (const name of ["car", "train"]) pictures("vehicles", name, "a.png");
    const vehicles = await locateDataset(join(root, "vehicles"));
    expect((await vehicles.open("train")).classes).toEqual(["car", "train"]);
    pictures("flat", "train", "a.png");
    expect((await openDataset(join(root, "flat"))).classes).toEqual(["train"]);
  });

  test("what is no data set says what is expected", async () => {
    put(join(root, "none", "a", "b.txt"), "");
    await expect(locateDataset(join(root, "none"))).rejects.toThrow(
      "no known data set is in it; expected data_batch_1.bin",
    );
    await expect(locateDataset(put(join(root, "file.txt"), ""))).rejects.toThrow("this is no folder");
    await expect(locateDataset("mnits")).rejects.toThrow(
      "mnits: there is no such folder, and no data set of this name; known are shapes",
    );
  });
});

test("shapes by name", async () => {
  const test: Dataset = await openDataset("shapes", { split: "test", seed: 7 });
  expect([test.name, test.length, test.classes.length]).toEqual(["shapes", 2000, 10]);
});

const shared = sharedData("cifar-10-batches-bin");
test.skipIf(shared.reason !== undefined)("real sets by name, from a data folder", async () => {
  const dataDir = join(shared.folder, "..");
  const cifar = await openDataset("cifar10", { dataDir, download: false, split: "test" });
  expect([cifar.name, cifar.length, cifar.classes[3]]).toEqual(["cifar10", 10_000, "cat"]);
  const fashion = await openDataset("fashion-mnist", { dataDir, download: false, split: "test" });
  expect([fashion.name, fashion.length, fashion.classes[9]]).toEqual(["fashion-mnist", 10_000, "Ankle boot"]);
});
