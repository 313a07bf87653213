import { expect, it } from "vitest";
import { type Dataset, dataLoader, memoryDataset, relabel, subset } from "../../src/data/index.ts";
import { workerLoader } from "../../src/data/node/index.ts";

const images = Uint8Array.from({ length: 4 }, (_, i) => 50 * i);
const set = memoryDataset({
  name: "pets",
  classes: ["cat", "dog"],
  images,
  labels: Int32Array.of(0, 1, 1, 0),
  shape: [1, 1, 1],
});
const classes = ["bird", "Dog", "fish", "cat"];

async function labelsOf(dataset: Dataset): Promise<number[]> {
  const labels: number[] = [];
  for await (const batch of dataLoader(dataset, { batchSize: 3 }).epoch(0))
    labels.push(...Array.from(batch.labels.data, Number));
  return labels;
}

it("gives each sample the position of its class", async () => {
  const moved = relabel(set, classes)!;
  expect(await labelsOf(moved)).toEqual([3, 1, 1, 3]);
  expect([...Array.from(moved.labels!)]).toEqual([3, 1, 1, 3]);
  expect(moved.classes).toEqual(classes);
  expect((await moved.get(1)).image).toEqual(set.get(1).image);
  expect(await labelsOf(relabel(subset(set, [1, 0]), classes)!)).toEqual([1, 3]);
});

it("in workers too", async () => {
  const loader = workerLoader(relabel(set, classes)!, { batchSize: 4, workers: 1 });
  for await (const { labels } of loader.epoch(0)) expect(Array.from(labels.data, Number)).toEqual([3, 1, 1, 3]);
  await loader.close();
});

it("gives nothing where a class is not among them", () => {
  expect(relabel(set, ["cat", "bird"])).toBeUndefined();
});

it("puts several labels per image into another order, but not among labels that the set says nothing of", async () => {
  const targets = Float32Array.of(1, 0, 0, 0, 1, 1);
  const tagged = memoryDataset({
    name: "tags",
    classes: ["a", "b", "c"],
    images: images.slice(0, 2),
    targets,
    shape: [1, 1, 1],
  }); // prettier-ignore
  const moved = relabel(tagged, ["c", "A", "b"])!;
  for await (const batch of dataLoader(moved, { batchSize: 2 }).epoch(0))
    expect(Array.from(batch.targets!.data)).toEqual([0, 1, 0, 1, 0, 1]);
  expect(relabel(tagged, ["a", "b", "c", "d"])).toBeUndefined();
});
