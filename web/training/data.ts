/** The images of a run: generated, or from the browser's storage. */
import { type Dataset, type Image, memoryDataset, shapes, split, subset } from "convnets";
import { toInterleaved } from "convnets/data";
import type { DataFacts } from "convnets/runs";
import type { StoredData } from "./import.ts";
import type { DataInfo, DataSpec, Picture } from "./protocol.ts";
import { folders, read, readJson, remove } from "./store.ts";

/** A data set with what a recipe needs to know about it. */
export interface OpenData {
  readonly name: string;
  readonly facts: DataFacts;
  readonly train: Dataset;
  /** Missing where a part has to be held out. */
  readonly test?: Dataset;
  readonly describe: (dataset: Dataset, index: number) => string;
}

export async function datasets(): Promise<readonly DataInfo[]> {
  const found = await Promise.all(
    (await folders(["data"])).map((id) => readJson<StoredData>(["data", id, "data.json"])),
  );
  return found
    .filter((data) => data !== undefined)
    .map(({ labels: _labels, files: _files, ...info }) => info)
    .sort((a, b) => a.id.localeCompare(b.id));
}

export async function removeData(id: string): Promise<void> {
  opened.delete(id);
  await remove(["data", id]);
}

/** Sets that are in memory: the images of the last two. */
const opened = new Map<string, Promise<OpenData>>();

/** Opens a data set. Throws if it was removed. */
export function openData(spec: DataSpec): Promise<OpenData> {
  const key = spec.kind === "shapes" ? `shapes ${spec.images}` : spec.id;
  const known = opened.get(key);
  if (known) return known;
  const opening = spec.kind === "shapes" ? Promise.resolve(generated(spec.images)) : stored(spec.id);
  opening.catch(() => opened.delete(key));
  for (const old of [...opened.keys()].slice(0, -1)) opened.delete(old);
  opened.set(key, opening);
  return opening;
}

function generated(images: number): OpenData {
  const train = shapes({ length: images });
  const test = shapes({ split: "test", length: Math.max(20, Math.round(images / 50) * 10) });
  return {
    ...{ name: "shapes", train, test, describe: (_, index) => `image ${index}` },
    facts: { name: "shapes", format: "shapes", size: 32, channels: 3 },
  };
}

async function stored(id: string): Promise<OpenData> {
  const data = await readJson<StoredData>(["data", id, "data.json"]);
  const images = await read(["data", id, "images.bin"]);
  if (!data || !images) throw new Error("the data set was removed from this browser; choose another one");
  const { name, format, classes, shape, labels, test } = data;
  const all = memoryDataset(
    { name, classes, images, labels, shape },
    { describe: (index) => data.files?.[index] ?? `image ${index}` },
  );
  const range = (from: number, to: number) => Uint32Array.from({ length: to - from }, (_, i) => from + i);
  const first = labels.length - test;
  const isPhotos = format === "image-folder";
  return {
    name,
    train: test > 0 ? subset(all, range(0, first)) : all,
    ...(test > 0 && { test: subset(all, range(first, labels.length)) }),
    describe: (dataset, index) => dataset.describe?.(index) ?? `image ${index}`,
    facts: {
      ...{ name, format, channels: shape[0], validation: test > 0 },
      ...(!isPhotos && { size: shape[1] }),
    },
  };
}

/** The parts that a run trains with. */
export function partsOf(
  data: OpenData,
  { validationFraction, seed }: { readonly validationFraction: number; readonly seed: number },
): { readonly train: Dataset; readonly validation: Dataset } {
  if (data.test && validationFraction === 0) return { train: data.train, validation: data.test };
  if (validationFraction <= 0)
    throw new Error("the data have no images for testing; hold out a part of them, such as 0.2");
  return split(data.train, validationFraction, seed);
}

/** Images of a set as pixels of a canvas. */
export async function picturesOf(dataset: Dataset, samples: readonly number[]): Promise<Picture[]> {
  return Promise.all(
    samples.map(async (sample) => {
      const { image, label = -1 } = await dataset.get(sample);
      return { sample, label, width: image.width, height: image.height, rgba: rgbaOf(image) };
    }),
  );
}

function rgbaOf(image: Image): Uint8ClampedArray<ArrayBuffer> {
  const pixels = toInterleaved(image);
  const { width, height, channels } = image;
  const rgba = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let p = 0; p < width * height; p++)
    for (let c = 0; c < 3; c++) rgba[4 * p + c] = pixels[p * channels + (channels === 1 ? 0 : c)]!;
  return rgba;
}

/** The first images of each class. */
export async function preview(spec: DataSpec, perClass: number) {
  const { train } = await openData(spec);
  const { classes, labels } = train;
  const chosen = classes.flatMap((_, label) => {
    const found: number[] = [];
    for (let i = 0; i < train.length && found.length < perClass; i++) if (labels?.[i] === label) found.push(i);
    return found;
  });
  return { classes, pictures: await picturesOf(train, chosen) };
}
