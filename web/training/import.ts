/** Brings images into the browser's storage: folders of pictures, CIFAR-10's binary files, idx files. */
import {
  CIFAR10_CLASSES,
  cifarDataset,
  FASHION_CLASSES,
  idxDataset,
  type MemoryDataset,
  memoryDataset,
  type NamedBytes,
} from "convnets/data";
import type { ClassFiles, DataInfo } from "./protocol.ts";
import { newId, remove, write } from "./store.ts";

/** A data set without its images, as it is kept. */
export interface StoredData extends DataInfo {
  readonly labels: readonly number[];
  /** Names of the files, for pictures. */
  readonly files?: readonly string[];
}

/** Bytes of pictures that are kept at most; many pictures are kept smaller. */
const MOST = 96e6;
const SIDES = [224, 160, 128, 96, 64];

const sideFor = (count: number) => SIDES.find((side) => count * 3 * side * side <= MOST) ?? SIDES.at(-1)!;

async function keep(data: StoredData, images: Uint8Array): Promise<DataInfo> {
  const { id, name, classes, labels, shape } = data;
  // refuses what nothing can be learned from
  memoryDataset({ name, classes, labels, images, shape });
  try {
    await write(["data", id, "images.bin"], images);
    await write(["data", id, "data.json"], JSON.stringify(data));
  } catch (error) {
    await remove(["data", id]);
    throw error;
  }
  const { labels: _labels, files: _files, ...info } = data;
  return info;
}

/** Pictures by class, as squares from their middle. What cannot be read is left out and noted. */
export async function importImages(
  name: string,
  classes: readonly ClassFiles[],
  onProgress: (done: number, total: number) => void,
): Promise<DataInfo> {
  const all = classes.flatMap(({ files }, label) => files.map((file) => ({ file, label })));
  if (classes.length < 2) throw new Error("there is nothing to tell apart: at least 2 classes are needed");
  const side = sideFor(all.length);
  const canvas = new OffscreenCanvas(side, side);
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.imageSmoothingQuality = "high";
  const area = side * side;
  const images = new Uint8Array(all.length * 3 * area);
  const kept: { label: number; file: string }[] = [];
  const notes: string[] = [];
  for (const [i, { file, label }] of all.entries()) {
    const bitmap = await createImageBitmap(file).catch(() => undefined);
    onProgress(i + 1, all.length);
    if (!bitmap) {
      notes.push(`${file.name} is not an image that this browser reads; it was left out`);
      continue;
    }
    const edge = Math.min(bitmap.width, bitmap.height);
    const [x, y] = [(bitmap.width - edge) / 2, (bitmap.height - edge) / 2];
    context.fillStyle = "#fff";
    context.fillRect(0, 0, side, side);
    context.drawImage(bitmap, x, y, edge, edge, 0, 0, side, side);
    bitmap.close();
    const { data } = context.getImageData(0, 0, side, side);
    const at = kept.length * 3 * area;
    for (let p = 0; p < area; p++) for (let c = 0; c < 3; c++) images[at + c * area + p] = data[4 * p + c]!;
    kept.push({ label, file: file.name });
  }
  for (const [label, { name: className }] of classes.entries())
    if (!kept.some((one) => one.label === label))
      throw new Error(`the class "${className}" has no image that this browser reads (JPEG, PNG, WebP, …)`);
  const data: StoredData = {
    id: newId(),
    name,
    format: "image-folder",
    classes: classes.map((one) => one.name),
    shape: [3, side, side],
    images: kept.length,
    test: 0,
    notes,
    labels: kept.map(({ label }) => label),
    files: kept.map(({ file }) => file),
  };
  return keep(data, images.subarray(0, kept.length * 3 * area));
}

/** Files of known data sets: CIFAR-10 in binary, or images and labels in idx. */
export async function importFiles(files: readonly File[]): Promise<DataInfo> {
  const cifar = files.filter(({ name }) => /^(data_batch_\d|test_batch)\.bin$/.test(name));
  if (cifar.length > 0) return importCifar(cifar);
  const idx = files.filter(({ name }) => /idx[13]/.test(name));
  if (idx.length > 0) return importIdx(idx);
  const names = files.map(({ name }) => name).slice(0, 3);
  throw new Error(
    `${names.join(", ")}: no data set is known by such names; drop folders of images (one for each class), data_batch_1.bin … of CIFAR-10, or train-images-idx3-ubyte with train-labels-idx1-ubyte`,
  );
}

const named = async (file: File): Promise<NamedBytes> => ({ file: file.name, bytes: await bytesOf(file) });

async function importCifar(files: readonly File[]): Promise<DataInfo> {
  const isTest = ({ name }: File) => name.startsWith("test");
  const part = async (wanted: boolean) => {
    const chosen = files.filter((file) => isTest(file) === wanted).sort((a, b) => a.name.localeCompare(b.name));
    const layout = { name: "CIFAR-10", classes: CIFAR10_CLASSES, labelBytes: 1 } as const;
    return chosen.length > 0 ? cifarDataset(await Promise.all(chosen.map(named)), layout) : undefined;
  };
  const [train, test] = [await part(false), await part(true)];
  if (!train) throw new Error("test_batch.bin is for testing; add data_batch_1.bin … data_batch_5.bin");
  return keepParts({ name: "CIFAR-10", format: "cifar10" }, train, test);
}

/** Keeps the images for training and those for testing as one set. */
function keepParts(
  { name, format }: Pick<StoredData, "name" | "format">,
  train: MemoryDataset,
  test: MemoryDataset | undefined,
): Promise<DataInfo> {
  const parts = test ? [train, test] : [train];
  const images = new Uint8Array(parts.reduce((sum, { memory }) => sum + memory.images.length, 0));
  images.set(train.memory.images);
  if (test) images.set(test.memory.images, train.memory.images.length);
  const labels = parts.flatMap((one) => [...one.labels]);
  const { shape } = train.memory;
  return keep(
    {
      ...{ id: newId(), name, format, classes: train.classes, shape, images: labels.length },
      ...{ test: test?.length ?? 0, notes: [], labels },
    },
    images,
  );
}

/** The bytes of a file, which may be packed with gzip. */
async function bytesOf(file: File): Promise<Uint8Array> {
  const start = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  const isGzip = start[0] === 0x1f && start[1] === 0x8b;
  const stream = isGzip ? file.stream().pipeThrough(new DecompressionStream("gzip")) : file.stream();
  try {
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch (error) {
    throw new Error(`${file.name} cannot be unpacked; get it again`, { cause: error });
  }
}

async function importIdx(files: readonly File[]): Promise<DataInfo> {
  const isFashion = files.some(({ name, webkitRelativePath }) => /fashion/i.test(`${webkitRelativePath}${name}`));
  const name = isFashion ? "Fashion-MNIST" : "idx";
  const find = (part: RegExp, what: string) => files.find((file) => part.test(file.name) && file.name.includes(what));
  const read = async (part: RegExp, classes: readonly string[] | undefined) => {
    const [images, labels] = [find(part, "idx3"), find(part, "idx1")];
    if (!images && !labels) return undefined;
    if (!images || !labels)
      throw new Error(`${(images ?? labels)!.name} needs its ${images ? "labels (idx1)" : "images (idx3)"} too`);
    return idxDataset({ images: await named(images), labels: await named(labels) }, { name, classes });
  };
  const train = await read(/^train/, isFashion ? FASHION_CLASSES : undefined);
  if (!train) throw new Error("train-images-idx3-ubyte and train-labels-idx1-ubyte are needed");
  const test = await read(/^(t10k|test)/, train.classes);
  const [size, other] = [train, test ?? train].map(({ memory: { shape } }) => shape.slice(1).join("×"));
  if (size !== other) throw new Error(`images for training have ${size} pixels, those for testing ${other}`);
  return keepParts({ name, format: isFashion ? "fashion-mnist" : "mnist" }, train, test);
}
