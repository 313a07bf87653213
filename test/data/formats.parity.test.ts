/** The real CIFAR-10, Fashion-MNIST and ImageFolder, against NumPy and torchvision reading the same files. */
import { basename, join } from "node:path";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { cifar10, type Dataset, idx, imageFolder, NORMALIZATION, openDataset } from "../../src/data/node/index.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { planes, sharedData } from "./support.ts";

vi.setConfig({ testTimeout: 60_000 }); // other processes may want the cores, too

/** What both sides say about a set. */
interface Facts {
  readonly length: number;
  readonly labels: number[];
  /** Sum of all pixels of samples 0, 1, 777 and the last. */
  readonly sums: number[];
  /** Some pixels of sample 777, plane by plane. */
  readonly pixels: number[];
}

async function factsOf(dataset: Dataset): Promise<Facts> {
  const chosen = [0, 1, 777, dataset.length - 1];
  const samples = await Promise.all(chosen.map(async (i) => planes(await dataset.get(i))));
  return {
    length: dataset.length,
    labels: Array.from(dataset.labels!).slice(0, 50),
    sums: samples.map((pixels) => pixels.reduce((sum, pixel) => sum + pixel, 0)),
    pixels: Array.from(samples[2]!.subarray(300, 340)),
  };
}

const FACTS = `
import json, sys, numpy as np, gzip
def facts(images, labels):  # images [N, C·H·W]
    chosen = [0, 1, 777, len(labels) - 1]
    print(json.dumps({"length": len(labels), "labels": [int(l) for l in labels[:50]],
        "sums": [int(images(i).astype(np.int64).sum()) for i in chosen], "pixels": images(777)[300:340].tolist()}))
`;

const reason = pythonSkipReason("numpy");
const cifar = sharedData("cifar-10-batches-bin");
const fashion = sharedData("fashion-mnist");
const imagenette = sharedData("imagenette-small");

describe("CIFAR-10", unless(reason ?? cifar.reason), () => {
  let sets: Record<"train" | "test", Awaited<ReturnType<typeof cifar10>>>;
  beforeAll(async () => {
    sets = { train: await cifar10(cifar.folder), test: await cifar10(cifar.folder, { split: "test" }) };
  });

  test.each(["train", "test"] as const)("%s equals NumPy's reading", async (split) => {
    const theirs = python(
      `${FACTS}
files = [f"data_batch_{i}.bin" for i in range(1, 6)] if sys.argv[2] == "train" else ["test_batch.bin"]
records = np.concatenate([np.fromfile(f"{sys.argv[1]}/{f}", np.uint8).reshape(-1, 3073) for f in files])
facts(lambda i: records[i, 1:], records[:, 0])`,
      { args: [cifar.folder, split] },
    );
    expect(await factsOf(sets[split])).toEqual(JSON.parse(theirs));
  });

  test("normalisation constants are those of the training pixels", () => {
    const { images } = sets.train.memory;
    for (const [c, mean] of NORMALIZATION.cifar10.mean.entries()) {
      let sum = 0;
      let squares = 0;
      const count = images.length / 3;
      for (let n = 0; n < 50_000; n++) {
        for (let i = 0; i < 1024; i++) {
          const x = images[(n * 3 + c) * 1024 + i]!;
          sum += x;
          squares += x * x;
        }
      }
      expect(sum / count / 255).toBeCloseTo(mean, 4);
      expect(Math.sqrt(squares / count - (sum / count) ** 2) / 255).toBeCloseTo(NORMALIZATION.cifar10.std[c]!, 4);
    }
  });

  test("a description names the file and the record", () => {
    expect(sets.train.describe!(20_007)).toBe("data_batch_3.bin, record 7");
  });
});

describe("Fashion-MNIST", unless(reason ?? fashion.reason), () => {
  test.each(["train", "test"] as const)("%s equals NumPy's reading", async (split) => {
    const theirs = python(
      `${FACTS}
stem = f"{sys.argv[1]}/{'train' if sys.argv[2] == 'train' else 't10k'}"
labels = np.frombuffer(gzip.open(stem + "-labels-idx1-ubyte.gz").read()[8:], np.uint8)
images = np.frombuffer(gzip.open(stem + "-images-idx3-ubyte.gz").read()[16:], np.uint8).reshape(len(labels), -1)
facts(lambda i: images[i], labels)`,
      { args: [fashion.folder, split] },
    );
    const dataset = await idx(fashion.folder, { split });
    expect(await factsOf(dataset)).toEqual(JSON.parse(theirs));
    expect(dataset.classes[dataset.labels![0] as number]).toBe("Ankle boot");
  });
});

const folderReason = pythonSkipReason("torchvision");
describe("ImageFolder", unless(folderReason ?? imagenette.reason), () => {
  test("order of files, labels and pixels equal torchvision's", async () => {
    const theirs = JSON.parse(
      python(
        `${FACTS}
from torchvision.datasets import ImageFolder
import os
d = ImageFolder(sys.argv[1] + "/train")
print(json.dumps({"files": [os.path.basename(f) for f, _ in d.samples], "labels": d.targets, "classes": d.classes}))
facts(lambda i: np.asarray(d[i][0]).transpose(2, 0, 1).ravel(), d.targets)`,
        { args: [imagenette.folder] },
      )
        .replace("\n", ",")
        .replace(/^/, "[")
        .replace(/$/, "]"),
    ); // prettier-ignore
    const dataset = await imageFolder(join(imagenette.folder, "train"));
    expect(Array.from({ length: dataset.length }, (_, i) => basename(dataset.describe!(i)))).toEqual(theirs[0].files);
    expect(Array.from(dataset.labels!)).toEqual(theirs[0].labels);
    expect(await factsOf(dataset)).toEqual(theirs[1]);
  });

  test("opens both parts by the folder alone, with readable names", async () => {
    const train = await openDataset(imagenette.folder);
    const test = await openDataset(imagenette.folder, { split: "test" });
    expect(train.length).toBe(1500);
    expect(test.length).toBe(500);
    expect(train.classes).toEqual(test.classes);
    expect(train.classes[0]).toBe("tench");
  });
});
