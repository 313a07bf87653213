/** Every form in which people hand over labelled images. */
import { join } from "node:path";
import { gzipSync, zipSync } from "fflate";
import { parquetWriteBuffer } from "hyparquet-writer";
import { packTar } from "modern-tar";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { encodeNpy, encodeNpz } from "../../src/checkpoint/index.ts";
import { type Dataset, type LocateOptions, locateDataset } from "../../src/data/node/index.ts";
import { tensor } from "../../src/graph/index.ts";
import { planes, put, temporaryFolder } from "./support.ts";

const root = temporaryFolder();
/** One image per color, whose first byte tells it. */
const png: Record<"red" | "blue", Uint8Array> = { red: new Uint8Array(), blue: new Uint8Array() };
beforeAll(async () => {
  for (const [name, r] of [
    ["red", 255],
    ["blue", 7],
  ] as const) // prettier-ignore
    png[name] = await sharp({ create: { width: 2, height: 2, channels: 3, background: { r, g: 0, b: 9 } } })
      .png()
      .toBuffer(); // prettier-ignore
});

const at = (...path: string[]) => join(root, ...path);
const image = (color: "red" | "blue", ...path: string[]) => put(at(...path), png[color]);

/** First byte and label (or target) of every sample. */
async function samples(dataset: Dataset): Promise<[byte: number, label: unknown][]> {
  const all: [number, unknown][] = [];
  for (let i = 0; i < dataset.length; i++) {
    const sample = await dataset.get(i);
    all.push([planes(sample)[0]!, sample.label ?? Array.from(sample.target!)]);
  }
  return all;
}

/** What a path is understood as. */
async function understood(path: string, options?: LocateOptions) {
  const found = await locateDataset(path, options);
  const train = await found.open("train");
  const test = found.splits.includes("test") ? await found.open("test") : undefined;
  return {
    format: found.format,
    classes: train.classes,
    train: await samples(train),
    ...(test && { test: await samples(test) }),
    told: await found.describe(),
  };
}

const COLORS = [
  [7, 0],
  [255, 1],
];

describe("tables of labels", () => {
  test.each([
    ["labels.csv", "filename,label\nimages/1.png,red\nimages/2.png,blue\n"],
    ["labels.tsv", "image\tclass\n2.png\tblue\n1.png\tred\n"],
    ["metadata.jsonl", '{"file_name":"2.png","label":"blue"}\n\n{"file_name":"1.png","label":"red"}\n'],
    ["train.csv", '\uFEFFid;breed\r\n"2";blue\r\n1;red\r\n'],
    ["no_header.csv", "1.png,red\n2.png,blue\n"],
    ["one_hot.csv", "image,blue,red\n2,1.0,0.0\n1,0.0,1.0\n"],
  ])("%s", async (name, text) => {
    const folder = name.replace(".", "_");
    image("red", folder, "images", "1.png");
    image("blue", folder, "images", "2.png");
    put(at(folder, name), text);
    const { train, ...rest } = await understood(at(folder));
    expect(rest).toEqual({ format: "table", classes: ["blue", "red"], told: `train: 2 classes, 2 images in ${name}` });
    expect(train.sort(([a], [b]) => a - b)).toEqual(COLORS);
    expect((await understood(at(folder, name))).classes).toEqual(["blue", "red"]);
  });

  test("a table for each part, or a column with the part; the images of a part lie in its folder", async () => {
    image("red", "parted", "train", "1.png");
    image("blue", "parted", "train", "2.png");
    image("blue", "parted", "test", "1.png");
    put(at("parted", "train.csv"), "id,label\n1,red\n2,blue\n");
    put(at("parted", "test.csv"), "id,label\n1,blue\n");
    put(at("parted", "sample_submission.csv"), "id,label\n1,red\n");
    const parted = await understood(at("parted"));
    expect(parted.train).toEqual([
      [255, 1],
      [7, 0],
    ]); // prettier-ignore
    expect(parted.test).toEqual([[7, 0]]);
    image("red", "column", "1.png");
    image("blue", "column", "2.png");
    put(at("column", "all.csv"), "file,label,split\n1.png,red,train\n2.png,red,Validation\n");
    expect((await locateDataset(at("column"))).splits).toEqual(["train", "val"]);
  });

  test("several labels an image: a list, a column of tags, a column for each", async () => {
    image("red", "several", "1.png");
    image("blue", "several", "2.png");
    for (const [name, text] of [
      ["a.jsonl", '{"file":"1.png","labels":["sea","sky"]}\n{"file":"2.png","labels":[]}\n'],
      ["b.csv", "file,tags\n1.png,sky|sea\n2.png,\n"],
      ["c.csv", "file,sea,sky\n1.png,1,1\n2.png,0,0\n"],
    ] as const) {
      const { classes, train } = await understood(put(at("several", name), text));
      expect({ classes, train }).toEqual({
        classes: ["sea", "sky"],
        train: [
          [255, [1, 1]],
          [7, [0, 0]],
        ],
      }); // prettier-ignore
    }
  });

  test("a column for one class whose cells hold several labels is read so", async () => {
    image("red", "combined", "1.png");
    image("blue", "combined", "2.png");
    for (const [text, classes] of [
      ["Image Index,Finding Labels,Age\n1.png,big sea|sky,7\n2.png,big sea,8\n", ["big sea", "sky"]],
      ["file,label\n1.png,sea;sky\n2.png,sea\n", ["sea", "sky"]],
      ["Id,Target\n1,0 1\n2,0\n", ["0", "1"]],
      ['file,label\n1.png,"sea,sky"\n2.png,sea\n2.png,sky\n', ["sea", "sky"]],
    ] as const) {
      const found = await understood(put(at("combined", "t.csv"), text));
      expect({ classes: found.classes, train: found.train.slice(0, 2) }).toEqual({
        classes,
        train: [
          [255, [1, 1]],
          [7, [1, 0]],
        ],
      }); // prettier-ignore
      expect(found.told).toMatch(/2 labels \(an image can have several\)/);
    }
    // names with spaces or commas are one class
    const one = await understood(put(at("combined", "t.csv"), 'file,label\n1.png,"cat, big"\n2.png,red cat\n'));
    expect(one.classes).toEqual(["cat, big", "red cat"]);
  });

  test("what a table cannot mean is an error that says why", async () => {
    image("red", "bad", "1.png");
    const open = (text: string, options?: LocateOptions) => locateDataset(put(at("bad", "t.csv"), text), options);
    await expect(open("file,label\n1.png,red\n9.png,red\n")).rejects.toThrow(
      't.csv, row 3: there is no image "9.png" in ',
    );
    await expect(open("file,size,weight\n1.png,3,4\n")).rejects.toThrow(
      'its columns are file, size, weight; call the one with the classes "label"',
    );
    await expect(open("a,b\nx,y\n")).rejects.toThrow("none of its columns names image files");
    const kept = await open("file,label\n1.png,red\n9.png,blue\n", { skipCorrupt: true });
    expect((await kept.open("train")).skipped).toHaveLength(1);
    image("blue", "bad", "deep", "1.png");
    await expect(open("file,label\nx/1.png,red\n1.png,red\n")).resolves.toBeDefined();
  });
});

describe("without class folders", () => {
  test("the class in the names of files, in one folder and in parts", async () => {
    for (const i of [0, 1]) image("red", "names", `dog.${i}.png`);
    for (const i of [0, 1]) image("blue", "names", `cat_${i}.png`);
    const flat = await understood(at("names"));
    expect(flat).toMatchObject({
      format: "file-names",
      classes: ["cat", "dog"],
      train: [
        [7, 0],
        [7, 0],
        [255, 1],
        [255, 1],
      ],
    }); // prettier-ignore
    for (const i of [0, 1]) image("red", "dogs-vs-cats", "train", `dog.${i}.png`);
    for (const i of [0, 1]) image("blue", "dogs-vs-cats", "train", `cat.${i}.png`);
    image("blue", "dogs-vs-cats", "test1", "1.png");
    expect((await understood(at("dogs-vs-cats"))).told).toBe(
      "train: 2 classes, 4 images in train/; not used: test1/ (its images are not in class folders)",
    );
    for (const i of [0, 1, 2]) image("red", "photos-of-one", `IMG_${i}.png`);
    await expect(locateDataset(at("photos-of-one"))).rejects.toThrow("it holds no data set");
  });

  test("pixels in a table, as Kaggle has MNIST; a table without labels is told", async () => {
    const pixels = (value: number) => new Array<number>(16).fill(value).join(",");
    const names = Array.from({ length: 16 }, (_, i) => `pixel${i}`).join(",");
    put(at("kaggle", "train.csv"), `label,${names}\n3,${pixels(9)}\n0,${pixels(200)}\n`);
    put(at("kaggle", "test.csv"), `${names}\n${pixels(1)}\n`);
    const kaggle = await understood(at("kaggle"));
    expect(kaggle).toEqual({
      format: "pixel-table",
      classes: ["0", "1", "2", "3"],
      train: [
        [9, 3],
        [200, 0],
      ],
      told: "train: 4 classes, 2 images in train.csv; not used: test.csv (it has pixels and no column with classes)",
    }); // prettier-ignore
    put(at("bare", "mnist_test.csv"), `7,${pixels(5)}\n`);
    expect((await (await locateDataset(at("bare"))).open("test")).classes).toEqual(["7"]);
    const row = (emotion: number, value: number, usage: string) =>
      `${emotion},${pixels(value).replaceAll(",", " ")},${usage}\n`;
    const rows = row(1, 4, "Training") + row(0, 6, "Training") + row(0, 8, "PrivateTest");
    const fer = await understood(put(at("fer.csv"), `emotion,pixels,Usage\n${rows}`));
    expect(fer).toMatchObject({
      train: [
        [4, 1],
        [6, 0],
      ],
      test: [[8, 0]],
    }); // prettier-ignore
    await expect(
      locateDataset(put(at("deep.csv"), `label,${names}\n1,${pixels(256)}\n`)).then((found) => found.open("train")),
    ).rejects.toThrow('row 2: pixel 0 is "256"; pixels are whole numbers from 0 to 255');
  });

  test("NumPy's arrays: Keras's mnist.npz, arrays in files of their own, one-hot labels", async () => {
    const bytes = (shape: number[], values: number[]) => tensor("uint8", shape, Uint8Array.from(values));
    const all = new Map([
      ["x_train", bytes([2, 1, 2], [1, 2, 3, 4])],
      ["y_train", bytes([2], [1, 0])],
      ["x_test", bytes([1, 1, 2], [5, 6])],
      ["y_test", bytes([1], [1])],
    ]);
    put(at("keras", "mnist.npz"), Buffer.concat([...encodeNpz(all)]));
    const told = "train: 2 classes, 2 images in mnist.npz; test: mnist.npz";
    const expected = {
      format: "numpy",
      classes: ["0", "1"],
      train: [
        [1, 1],
        [3, 0],
      ],
      test: [[5, 1]],
      told,
    }; // prettier-ignore
    expect(await understood(at("keras"))).toEqual(expected);
    // channels last; numbers of [0, 1]; a column for each class
    put(at("arrays", "images.npy"), encodeNpy(tensor("float32", [2, 1, 1, 3], Float32Array.of(1, 0.2, 0, 0, 0, 1))));
    put(at("arrays", "labels.npy"), encodeNpy(tensor("int64", [2, 2], BigInt64Array.of(0n, 1n, 1n, 0n))));
    put(at("arrays", "classes.txt"), "cat\ndog\n");
    const arrays = await locateDataset(at("arrays"));
    const train = await arrays.open("train");
    expect([train.classes, await samples(train)]).toEqual([
      ["cat", "dog"],
      [
        [255, 1],
        [0, 0],
      ],
    ]); // prettier-ignore
    expect(Array.from(planes(await train.get(0)))).toEqual([255, 51, 0]);
    put(at("scaled", "x.npy"), encodeNpy(tensor("float32", [1, 4, 4], new Float32Array(16).fill(-1))));
    put(at("scaled", "y.npy"), encodeNpy(bytes([1], [0])));
    const scaled = await locateDataset(at("scaled"));
    await expect(scaled.open("train")).rejects.toThrow(
      "its numbers go from -1 to -1, but pixels are 0 to 255 or 0 to 1",
    );
  });

  test("Hugging Face's Parquet files", async () => {
    const features = { image: { _type: "Image" }, label: { names: ["cat", "dog"], _type: "ClassLabel" } };
    const write = (name: string, colors: ("red" | "blue")[], label: number[]) =>
      put(
        at("hub", "data", name),
        new Uint8Array(
          parquetWriteBuffer({
            columnData: [
              { name: "image", data: colors.map((color) => png[color]), type: "BYTE_ARRAY" },
              { name: "label", data: label.map(BigInt), type: "INT64" },
            ],
            kvMetadata: [{ key: "huggingface", value: JSON.stringify({ info: { features } }) }],
          }),
        ),
      );
    write("train-00000-of-00002.parquet", ["red", "blue"], [1, 0]);
    write("train-00001-of-00002.parquet", ["blue"], [0]);
    write("test-00000-of-00001.parquet", ["red"], [1]);
    const hub = await understood(at("hub"));
    expect(hub).toMatchObject({
      format: "parquet",
      classes: ["cat", "dog"],
      train: [
        [255, 1],
        [7, 0],
        [7, 0],
      ],
      test: [[255, 1]],
    }); // prettier-ignore
    expect(hub.told).toContain("train: 2 classes, 3 images in train-00000-of-00002.parquet and 1 more; test: ");
  });
});

describe("archives", () => {
  const tree = () => ({
    "set/train/red/1.png": png.red,
    "set/train/blue/1.png": png.blue,
    "set/test/red/2.png": png.red,
    "__MACOSX/set/._1.png": png.red,
    "set/../../evil/3.png": png.red,
    "set/cat/\u00004.png": png.red,
    ".": png.red,
    "/etc/4.png": png.blue,
  }); // prettier-ignore
  const expected = { format: "image-folder", classes: ["blue", "red"], train: COLORS, test: [[255, 1]] };
  const tar = (files: Record<string, Uint8Array>) =>
    packTar(Object.entries(files).map(([name, body]) => ({ header: { name, size: body.length }, body })));

  test.each(["zip", "tar", "tar.gz", "tgz"])("images in a .%s file, read in place", async (ending) => {
    const packed = ending === "zip" ? zipSync(tree()) : await tar(tree());
    const file = put(at(`photos.${ending}`), ending.endsWith("gz") ? gzipSync(packed) : packed);
    const { told, ...rest } = await understood(file);
    expect(rest).toEqual(expected);
    expect(told).toContain("train: 2 classes, 2 images in train/; test: 1 image in test/");
    // alone in a folder, and one part by its path
    put(at(`only-${ending}`, `a.${ending}`), ending.endsWith("gz") ? gzipSync(packed) : packed);
    expect((await understood(at(`only-${ending}`))).train).toEqual(COLORS);
    expect((await understood(join(file, "set", "train"))).train).toEqual(COLORS);
  });

  test("an archive for each part; names of more than a hundred characters", async () => {
    const long = "long ".repeat(30);
    put(at("pair", "train.tar"), await tar({ [`${long}/1.png`]: png.red, "blue/1.png": png.blue }));
    put(at("pair", "test.zip"), zipSync({ "test/blue/1.png": png.blue }));
    const { classes, train, test: held } = await understood(at("pair"));
    expect({ classes, train, held }).toEqual({
      classes: ["blue", long],
      train: [
        [7, 0],
        [255, 1],
      ],
      held: [[7, 0]],
    }); // prettier-ignore
  });

  test("WebDataset: shards of images with their classes beside them", async () => {
    const text = (value: string) => new TextEncoder().encode(value);
    put(
      at("shards", "train-000000.tar"),
      await tar({ "a/1.png": png.red, "a/1.cls": text("1\n"), "2.png": png.blue, "2.json": text('{"label": 0}') }),
    ); // prettier-ignore
    put(at("shards", "train-000001.tar"), await tar({ "3.png": png.red, "3.cls": text("1") }));
    put(at("shards", "test-000000.tar"), await tar({ "4.png": png.blue, "4.cls": text("0") }));
    put(at("shards", "classes.txt"), "cat\ndog\n");
    const { format, classes, train, test: held } = await understood(at("shards"));
    expect({ format, classes, held }).toEqual({ format: "webdataset", classes: ["cat", "dog"], held: [[7, 0]] });
    expect(train).toEqual([
      [7, 0],
      [255, 1],
      [255, 1],
    ]); // prettier-ignore
  });

  test("damaged archives are errors that name them", async () => {
    const whole = zipSync(tree());
    await expect(locateDataset(put(at("cut.zip"), whole.subarray(0, 200)))).rejects.toThrow(
      /cut\.zip: zip: .*cut short/,
    );
    const packed = await tar(tree());
    await expect(locateDataset(put(at("cut.tar"), packed.subarray(0, 700)))).rejects.toThrow(
      "cut.tar: tar: the archive ends too early",
    );
    await expect(locateDataset(put(at("no.tar.gz"), packed))).rejects.toThrow("no.tar.gz: cannot unpack");
  });
});

test("numbered classes are in the order of numbers, which is told where it is not that of text", async () => {
  for (let i = 1; i <= 10; i++) image("red", "numbered", String(i), "a.png");
  const { classes, told } = await understood(at("numbered"));
  expect(classes).toEqual(["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
  expect(told).toContain(
    "\nThe classes are numbers and are in their order (1, 2, 3, 4, 5, …); torchvision's ImageFolder has them in that of text (1, 10, 2, 3, 4, …).",
  );
});

test("classes that look like parts are warned of; junk is left out; types that do not fit are named", async () => {
  for (const name of ["cats_train", "cats_test"]) image("red", "splits", name, "a.png");
  put(at("splits", "cats_test", "Thumbs.db"), "");
  put(at("splits", "@eaDir", "x", "a.png"), png.red);
  put(at("splits", ".ipynb_checkpoints", "a.png"), png.red);
  const { classes, told } = await understood(at("splits"));
  expect(classes).toEqual(["cats_test", "cats_train"]);
  expect(told).toContain("Warning: class names look like parts of a data set (cats_test, cats_train)");
  put(at("phone", "a", "1.heic"), "x");
  put(at("phone", "b", "1.heic"), "x");
  await expect(locateDataset(at("phone"))).rejects.toThrow(
    "it has 2 other files (.heic; images of this type are not read, save them as JPEG or PNG)",
  );
  // among others, they are listed
  for (const name of ["a", "b"]) image("red", "phone", name, "a.png");
  const { length, skipped } = await (await locateDataset(at("phone"))).open("train");
  expect(length).toBe(2);
  expect(skipped).toEqual(
    ["a", "b"].map((name) => ({
      file: at("phone", name, "1.heic"),
      reason: "images of this type are not read; save it as JPEG or PNG",
    })),
  );
});
