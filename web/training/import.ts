/** Brings images into the browser's storage: folders of pictures, CIFAR-10's binary files, idx files. */
import { memoryDataset } from "convnets";
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

const CIFAR = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
const RECORD = 1 + 3 * 32 * 32;

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

async function importCifar(files: readonly File[]): Promise<DataInfo> {
  const isTest = ({ name }: File) => name.startsWith("test");
  const order = [...files].sort((a, b) => Number(isTest(a)) - Number(isTest(b)) || a.name.localeCompare(b.name));
  if (order.every(isTest)) throw new Error("test_batch.bin is for testing; add data_batch_1.bin … data_batch_5.bin");
  const parts = await Promise.all(order.map(async (file) => new Uint8Array(await file.arrayBuffer())));
  for (const [i, { length }] of parts.entries())
    if (length === 0 || length % RECORD !== 0)
      throw new Error(`${order[i]!.name} is cut off: ${length} bytes are not whole records of ${RECORD}; get it again`);
  const counts = parts.map(({ length }) => length / RECORD);
  const total = counts.reduce((sum, count) => sum + count);
  const images = new Uint8Array(total * (RECORD - 1));
  const labels: number[] = [];
  for (const [i, part] of parts.entries())
    for (let at = 0; at < part.length; at += RECORD) {
      if (part[at]! > 9)
        throw new Error(`${order[i]!.name}, record ${at / RECORD}: label ${part[at]} is not one of the 10 classes`);
      images.set(part.subarray(at + 1, at + RECORD), labels.length * (RECORD - 1));
      labels.push(part[at]!);
    }
  const test = order.reduce((sum, file, i) => sum + (isTest(file) ? counts[i]! : 0), 0);
  return keep(
    {
      ...{ id: newId(), name: "CIFAR-10", format: "cifar10", classes: CIFAR, shape: [3, 32, 32] },
      ...{ images: total, test, notes: [], labels },
    },
    images,
  );
}

const FASHION = [
  ...["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"],
];

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

/** An array of bytes: two zero bytes, the type 8, the number of axes, their sizes, big-endian, then the elements. */
async function readIdx(file: File, axes: number): Promise<{ sizes: readonly number[]; data: Uint8Array }> {
  const bytes = await bytesOf(file);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = 4 + 4 * axes;
  if (bytes.length < header || view.getUint32(0) !== 0x0800 + axes)
    throw new Error(`${file.name} is not an idx file of ${axes === 3 ? "images" : "labels"}; get it again`);
  const sizes = Array.from({ length: axes }, (_, axis) => view.getUint32(4 + 4 * axis));
  const expected = sizes.reduce((product, size) => product * size, 1);
  const data = bytes.subarray(header);
  if (data.length !== expected)
    throw new Error(
      `${file.name}: the header says ${sizes.join("×")} = ${expected} bytes, but there are ${data.length}; get it again`,
    );
  return { sizes, data };
}

async function importIdx(files: readonly File[]): Promise<DataInfo> {
  const find = (part: RegExp, what: string) => files.find(({ name }) => part.test(name) && name.includes(what));
  const read = async (part: RegExp) => {
    const [images, labels] = [find(part, "idx3"), find(part, "idx1")];
    if (!images && !labels) return undefined;
    if (!images || !labels)
      throw new Error(`${(images ?? labels)!.name} needs its ${images ? "labels (idx1)" : "images (idx3)"} too`);
    const [pixels, classes] = [await readIdx(images, 3), await readIdx(labels, 1)];
    if (pixels.sizes[0] !== classes.sizes[0])
      throw new Error(
        `${labels.name} has ${classes.sizes[0]} labels, but ${images.name} has ${pixels.sizes[0]} images; choose files that go together`,
      );
    return { pixels, labels: classes.data };
  };
  const [train, test] = [await read(/^train/), await read(/^(t10k|test)/)];
  if (!train) throw new Error("train-images-idx3-ubyte and train-labels-idx1-ubyte are needed");
  const [, H = 0, W = 0] = train.pixels.sizes;
  if (test && (test.pixels.sizes[1] !== H || test.pixels.sizes[2] !== W))
    throw new Error(
      `images for training have ${H}×${W} pixels, those for testing ${test.pixels.sizes.slice(1).join("×")}`,
    );
  const parts = test ? [train, test] : [train];
  const labels = parts.flatMap((part) => [...part.labels]);
  const images = new Uint8Array(labels.length * H * W);
  images.set(train.pixels.data);
  if (test) images.set(test.pixels.data, train.pixels.data.length);
  const count =
    Math.max(
      ...labels.slice(0, 1),
      labels.reduce((most, label) => Math.max(most, label), 1),
    ) + 1;
  const isFashion = files.some(({ name, webkitRelativePath }) => /fashion/i.test(`${webkitRelativePath}${name}`));
  const classes = isFashion && count === 10 ? FASHION : Array.from({ length: count }, (_, i) => String(i));
  return keep(
    {
      ...{ id: newId(), name: isFashion ? "Fashion-MNIST" : "idx", format: isFashion ? "fashion-mnist" : "mnist" },
      ...{ classes, shape: [1, H, W], images: labels.length, test: test?.labels.length ?? 0, notes: [], labels },
    },
    images,
  );
}
