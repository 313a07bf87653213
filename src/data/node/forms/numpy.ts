/** NumPy's arrays of images and labels: mnist.npz with x_train and y_train, or images.npy and labels.npy. */
import { join } from "node:path";
import { readNpy, readNpz } from "../../../checkpoint/index.ts";
import { numel, type TensorData } from "../../../graph/index.ts";
import { sharedBytes } from "../../dataset.ts";
import { DataError } from "../../errors.ts";
import { linesOf } from "../cifar.ts";
import { readBytes } from "../files.ts";
import type { Labelled } from "../labelled.ts";
import { partNamed, type Split } from "../splits.ts";
import type { Form, Part } from "./form.ts";

type Role = "images" | "labels";

/** An array with its name, its part and what it holds. */
interface Named {
  readonly file: string;
  readonly name: string;
  readonly split: Split;
  readonly role: Role | undefined;
  readonly array: TensorData;
}

const IMAGES = /^(x|images?|imgs?|data|pictures?)$/i;
const LABELS = /^(y|labels?|targets?|classes)$/i;

const wordsOf = (name: string) => name.split(/[^A-Za-z0-9]+/);

function roleOf(name: string, { shape }: TensorData): Role | undefined {
  const words = wordsOf(name);
  if (words.some((word) => LABELS.test(word))) return "labels";
  if (words.some((word) => IMAGES.test(word))) return "images";
  return shape.length >= 3 ? "images" : shape.length === 1 ? "labels" : undefined;
}

async function arraysIn(file: string): Promise<Named[]> {
  const stem = file
    .split(/[\\/]/)
    .at(-1)!
    .replace(/\.np[yz]$/i, ""); // prettier-ignore
  const bytes = await readBytes(file);
  let arrays: ReadonlyMap<string, TensorData>;
  try {
    arrays = /\.npz$/i.test(file) ? await readNpz(bytes) : new Map([[stem, readNpy(bytes)]]);
  } catch (cause) {
    throw new DataError((cause as Error).message, { file, cause });
  }
  return [...arrays].map(([name, array]) => {
    const split = partNamed(name) ?? partNamed(stem) ?? "train";
    // np.savez calls arrays arr_0, arr_1; then the name of the file counts
    const role = /^arr_\d+$/.test(name) ? roleOf(arrays.size === 1 ? stem : "", array) : roleOf(name, array);
    return { file, name: name === stem ? name : `${stem}.${name}`, split, role, array };
  });
}

/** Bytes [M, C, H, W] of an array of images. */
function imagesOf({ file, name, array }: Named): { data: Uint8Array; shape: [C: number, H: number, W: number] } {
  const fail = (reason: string): never => {
    throw new DataError(`array "${name}": ${reason}`, { file });
  };
  const { shape } = array;
  const [M = 0, ...rest] = shape;
  const side = Math.sqrt(rest[0] ?? 0);
  const isColor = (size: number | undefined) => size === 1 || size === 3;
  const isLast = rest.length === 3 && isColor(rest[2]);
  const form =
    rest.length === 1 && Number.isInteger(side)
      ? [1, side, side]
      : rest.length === 2
        ? [1, ...rest]
        : isLast
          ? [rest[2]!, rest[0]!, rest[1]!]
          : rest.length === 3 && isColor(rest[0])
            ? rest
            : fail(
                `[${shape.join(", ")}] is no array of images: expected [N, H, W], [N, H, W, C] or [N, C, H, W], C 1 or 3`,
              ); // prettier-ignore
  const [C, H, W] = form as [number, number, number];
  if (M * C * H * W === 0) fail(`[${shape.join(", ")}] is empty`);
  const value = byteOf(array, fail);
  const data = sharedBytes(numel(shape));
  if (!isLast || C === 1) for (let i = 0; i < data.length; i++) data[i] = value(i);
  else
    for (let m = 0, o = 0; m < M; m++)
      for (let c = 0; c < C; c++) for (let i = 0; i < H * W; i++) data[o++] = value((m * H * W + i) * C + c);
  return { data, shape: [C, H, W] };
}

/** How numbers become bytes: 0 … 255 as they are, numbers of [0, 1] times 255. */
function byteOf({ data, dtype }: TensorData, fail: (reason: string) => never): (index: number) => number {
  if (dtype === "uint8") return (i) => data[i] as number;
  let [least, most, isWhole] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, true];
  for (let i = 0; i < data.length; i++) {
    const value = Number(data[i]);
    if (!Number.isFinite(value)) fail("it has numbers that are not finite");
    if (value < least) least = value;
    if (value > most) most = value;
    isWhole &&= Number.isInteger(value);
  }
  const isFloat = dtype.startsWith("float") || dtype === "bool";
  if (least >= 0 && most <= 1 && isFloat) return (i) => Math.round(Number(data[i]) * 255);
  if (least >= 0 && most <= 255 && isWhole) return (i) => Number(data[i]);
  return fail(
    `its numbers go from ${least} to ${most}, but pixels are 0 to 255 or 0 to 1; save them as they were before normalization`,
  );
}

/** The classes of an array of labels: numbers [N], or 0 and 1 for each class [N, K]. */
function labelsOf({ file, name, array }: Named): Pick<Labelled, "labels" | "classes"> {
  const [N = 0, K = 1] = array.shape;
  const values = Array.from(array.data as ArrayLike<number | bigint>, Number);
  const wrong = values.findIndex((value) => !Number.isInteger(value) || value < 0);
  if (wrong >= 0 || array.shape.length > 2)
    throw new DataError(`array "${name}": labels are whole numbers [N], or 0 and 1 [N, classes]`, { file });
  if (K === 1) return { labels: values.map(String) };
  if (values.some((value) => value > 1))
    throw new DataError(
      `array "${name}": [${array.shape.join(", ")}] has numbers above 1; labels of several classes are 0 and 1`,
      { file },
    ); // prettier-ignore
  const classes = Array.from({ length: K }, (_, k) => String(k));
  const labels = Array.from({ length: N }, (_, n) => classes.filter((_, k) => values[n * K + k] === 1));
  const isSingle = labels.every(({ length }) => length === 1);
  return { labels: isSingle ? labels.map(([label]) => label!) : labels, classes };
}

/** Names of classes that stand beside data, a line each. */
export async function classNamesIn(folder: string, files: readonly string[]): Promise<readonly string[] | undefined> {
  const file = ["classes.txt", "class_names.txt", "classnames.txt", "labels.txt"].find((name) => files.includes(name));
  return file === undefined ? undefined : linesOf(await readBytes(join(folder, file)));
}

/** Labels that are numbers, by the names of their classes. */
export function namedBy(labelled: Labelled, names: readonly string[] | undefined): Labelled {
  if (!names) return labelled;
  const nameOf = (label: string) => names[Number(label)] ?? label;
  const labels = labelled.labels.map((label) => (typeof label === "string" ? nameOf(label) : label.map(nameOf)));
  return { ...labelled, labels: labels as string[], classes: names };
}

export const numpyArrays: Form = async ({ folder, files, hints }) => {
  const names = files.filter((file) => /\.np[yz]$/i.test(file));
  if (names.length === 0) return undefined;
  const arrays: Named[] = [];
  for (const name of names) arrays.push(...(await arraysIn(join(folder, name))));
  const classes = await classNamesIn(folder, files);
  const parts = new Map<Split, Part>();
  for (const split of ["train", "val", "test"] as const) {
    const own = arrays.filter((array) => array.split === split);
    const [images, ...more] = own.filter(({ role }) => role === "images");
    const [labels, ...others] = own.filter(({ role }) => role === "labels");
    if (!images || !labels) {
      for (const { file, name } of own)
        hints.push(`${file}: array "${name}" has no counterpart with ${images ? "labels" : "images"}`); // prettier-ignore
      continue;
    }
    if (more.length > 0 || others.length > 0) {
      const several = (more.length > 0 ? [images, ...more] : [labels, ...others]).map(({ name }) => name);
      throw new DataError(
        `${several.join(" and ")} may all be the ${more.length > 0 ? "images" : "labels"}; rename them x_train, y_train, x_test, y_test`,
        { file: folder },
      ); // prettier-ignore
    }
    if (images.array.shape[0] !== labels.array.shape[0])
      throw new DataError(
        `"${images.name}" has ${images.array.shape[0]} images, but "${labels.name}" ${labels.array.shape[0]} labels`,
        { file: images.file },
      ); // prettier-ignore
    const open = async () => {
      const pixels = imagesOf(images);
      const describe = (index: number) => `${images.file}, image ${index}`;
      return namedBy({ images: { kind: "pixels", ...pixels }, ...labelsOf(labels), describe }, classes);
    };
    parts.set(split, { at: [...new Set([images.file, labels.file])], open });
  }
  return parts.size === 0 ? undefined : { format: "numpy", parts };
};
