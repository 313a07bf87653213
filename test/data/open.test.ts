import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { type Dataset, locateDataset, openDataset } from "../../src/data/node/index.ts";
import { unless } from "../support/skip.ts";
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
    await expect(wrapped.open("test")).rejects.toThrow(
      "no test set found, only the training set; hold out a part of the training set",
    );
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
    const again = await locateDataset(join(root, "parts"));
    await expect(again.open("val")).rejects.toThrow("the training set has no class folders wasp");
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

  test.each([
    [
      ["Train", "Test"],
      ["train", "test"],
    ],
    [
      ["TRAIN", "VAL"],
      ["train", "val"],
    ],
    [
      ["training_set", "test_set"],
      ["train", "test"],
    ],
    [
      ["training", "validation"],
      ["train", "val"],
    ],
    [
      ["Training Images", "dev", "testing"],
      ["train", "val", "test"],
    ],
    [
      ["seg_train/seg_train", "seg_test/seg_test"],
      ["train", "test"],
    ],
    [
      ["train/train", "valid"],
      ["train", "val"],
    ],
  ])("parts in %j are %j", async (folders, splits) => {
    const name = folders.join("-").replaceAll("/", "_");
    for (const folder of folders) for (const kind of ["ant", "bee"]) pictures(name, folder, kind, "a.png");
    put(join(root, name, "__MACOSX", "ant", "._a.png"), "");
    const found = await locateDataset(join(root, name));
    expect(found).toMatchObject({ format: "image-folder", splits });
    for (const split of found.splits) expect((await found.open(split)).classes).toEqual(["ant", "bee"]);
    expect(await found.describe()).toContain(
      `train: 2 classes, 2 images in ${folders.find((at) => /^train|^seg_train/i.test(at))}/`,
    );
    // below a folder that only wraps it
    expect(await locateDataset(join(root, name))).toMatchObject({ splits });
  });

  test("parts are told in a line", async () => {
    for (const part of ["Train", "Test"]) for (const kind of ["ant", "bee"]) pictures("told", part, kind, "a.png");
    pictures("told", "seg_pred", "a.png");
    expect(await (await locateDataset(join(root, "told"))).describe()).toBe(
      "train: 2 classes, 2 images in Train/; test: 2 images in Test/; not used: seg_pred/ (its name is not that of a part)",
    );
    for (const kind of ["ant", "bee"]) pictures("told-flat", "train", kind, "a.png");
    pictures("told-flat", "test", "a.png");
    const flat = await locateDataset(join(root, "told-flat"));
    expect(flat.splits).toEqual(["train"]);
    expect(await flat.describe()).toBe(
      "train: 2 classes, 2 images in train/; not used: test/ (its images are not in class folders)",
    );
    for (const kind of ["ant", "bee"]) pictures("wrapped", "photos", kind, "a.png");
    expect(await (await locateDataset(join(root, "wrapped"))).describe()).toBe("train: 2 classes, 2 images in photos/");
    expect(await (await locateDataset("shapes")).describe()).toBeUndefined();
  });

  test("parts that can be understood in two ways are errors", async () => {
    for (const part of ["train", "Training", "test"]) pictures("twice", part, "ant", "a.png");
    await expect(locateDataset(join(root, "twice"))).rejects.toThrow(
      "Training/ and train/ both look like the training set; rename one",
    );
    for (const kind of ["ant", "bee"]) pictures("mixed", "train", kind, "a.png");
    pictures("mixed", "predict", "a.png");
    await expect(locateDataset(join(root, "mixed"))).rejects.toThrow(
      "train/ looks like the training set (it has class folders), but predict/ beside it are no other parts; to use train/ alone, name ",
    );
    for (const part of ["Train", "Test"]) pictures("flat-pair", part, "a.png");
    await expect(locateDataset(join(root, "flat-pair"))).rejects.toThrow(
      "Train: the training images are not in class folders",
    );
    for (const part of ["val", "Test"]) pictures("flat-pair-2", part, "a.png");
    await expect(locateDataset(join(root, "flat-pair-2"))).rejects.toThrow(
      "the images in Test/ and val/ are not in class folders",
    );
  });

  test("a module of one's own", async () => {
    const file = (name: string, text: string) => put(join(root, "modules", name), text);
    const set = (name: string, length: number) =>
      `{ name: "${name}", classes: ["a", "b"], length: ${length}, labels: [0, 1], get: (i) => ({ image: { data: new Uint8Array(3), channels: 3, height: 1, width: 1, offset: 0, strides: [1, 3, 3] }, label: i % 2 }) }`;
    const both = await locateDataset(
      file("both.mjs", `export const train = ${set("x", 4)}; export const test = async () => (${set("y", 2)});`),
    );
    expect(both).toMatchObject({ format: "module", splits: ["train", "test"] });
    const [train, test] = [await both.open("train"), await both.open("test")];
    expect([train.name, train.length, test.name, test.length]).toEqual(["x", 4, "y", 2]);
    expect(test.source).toMatchObject({ kind: "module", options: { export: "test" } });
    const alone = await locateDataset(file("alone.mjs", `export default () => (${set("z", 4)});`));
    expect(alone.splits).toEqual(["train"]);
    expect((await alone.open("train")).length).toBe(4);
    await expect(locateDataset(file("none.mjs", "export const data = 1;"))).rejects.toThrow(
      "none.mjs: exports data; expected `export const train`",
    );
    const wrong = await locateDataset(file("wrong.mjs", "export default 1;"));
    await expect(wrong.open("train")).rejects.toThrow('"default" is not a data set; expected');
    await expect(locateDataset(file("labels.csv", "a,b"))).rejects.toThrow(
      "labels.csv: none of its columns names image files below its folder, and it is no table of pixels",
    );
  });

  test("what is no data set says what is expected", async () => {
    put(join(root, "none", "a", "b.txt"), "");
    await expect(locateDataset(join(root, "none"))).rejects.toThrow("it holds no data set; expected data_batch_1.bin");
    await expect(locateDataset(put(join(root, "file.txt"), ""))).rejects.toThrow(
      "is a file of an unknown kind; expected a folder, an archive",
    );
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
test("real sets by name, from a data folder", unless(shared.reason), async () => {
  const dataDir = join(shared.folder, "..");
  const cifar = await openDataset("cifar10", { dataDir, download: false, split: "test" });
  expect([cifar.name, cifar.length, cifar.classes[3]]).toEqual(["cifar10", 10_000, "cat"]);
  const fashion = await openDataset("fashion-mnist", { dataDir, download: false, split: "test" });
  expect([fashion.name, fashion.length, fashion.classes[9]]).toEqual(["fashion-mnist", 10_000, "Ankle boot"]);
});
