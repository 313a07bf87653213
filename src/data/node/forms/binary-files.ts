/** CIFAR's and MNIST's own files. */
import { join } from "node:path";
import { type PickledValue, readPickledDict } from "../../../checkpoint/index.ts";
import { CIFAR10_CLASSES } from "../../cifar.ts";
import { sharedBytes } from "../../dataset.ts";
import { DataError } from "../../errors.ts";
import { cifar10, cifar100 } from "../cifar.ts";
import { readBytes } from "../files.ts";
import { idx, idxFiles } from "../idx.ts";
import type { Labelled } from "../labelled.ts";
import type { Split } from "../splits.ts";
import type { Context, Form, Found, Part } from "./form.ts";

/** The training and the test set of a folder, as far as they are there. */
function halves(
  folder: string,
  present: Readonly<Record<"train" | "test", boolean>>,
  open: (split: "train" | "test") => ReturnType<Part["open"]>,
): Found["parts"] {
  const splits = (["train", "test"] as const).filter((split) => present[split]);
  return new Map(splits.map((split): [Split, Part] => [split, { at: [folder], open: () => open(split) }]));
}

export const cifarFiles: Form = async ({ folder, files, skipCorrupt }) => {
  const has = (file: string) => files.includes(file);
  const batches = [1, 2, 3, 4, 5].some((i) => has(`data_batch_${i}.bin`));
  if (batches || has("test_batch.bin")) {
    const present = { train: batches, test: has("test_batch.bin") };
    return { format: "cifar10", parts: halves(folder, present, (split) => cifar10(folder, { split, skipCorrupt })) };
  }
  const present = { train: has("train.bin"), test: has("test.bin") };
  if (!present.train && !present.test) return undefined;
  return { format: "cifar100", parts: halves(folder, present, (split) => cifar100(folder, { split, skipCorrupt })) };
};

/** CIFAR's Python versions: pickles, which are read without executing anything. */
export const cifarPickles: Form = async ({ folder, files, skipCorrupt }) => {
  const has = (file: string) => files.includes(file);
  const batches = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}`).filter(has);
  const isTen = batches.length > 0 || has("test_batch");
  if (!isTen && !(has("meta") && (has("train") || has("test")))) return undefined;
  const names = isTen
    ? { train: batches, test: ["test_batch"].filter(has) }
    : { train: ["train"].filter(has), test: ["test"].filter(has) }; // prettier-ignore
  const meta = isTen ? "batches.meta" : "meta";
  const open = async (split: "train" | "test"): Promise<Labelled> => {
    const classes = has(meta)
      ? listed(await readDict(join(folder, meta)), isTen ? "label_names" : "fine_label_names")
      : CIFAR10_CLASSES; // prettier-ignore
    return pickledImages(
      names[split].map((name) => join(folder, name)),
      { classes: classes.map(String), skipCorrupt },
    ); // prettier-ignore
  };
  const present = { train: names.train.length > 0, test: names.test.length > 0 };
  return { format: isTen ? "cifar10" : "cifar100", parts: halves(folder, present, open) };
};

async function readDict(file: string): Promise<ReadonlyMap<string, PickledValue>> {
  const bytes = await readBytes(file);
  try {
    return readPickledDict(bytes);
  } catch (cause) {
    throw new DataError((cause as Error).message, { file, cause, skippable: true });
  }
}

const listed = (dict: ReadonlyMap<string, PickledValue>, name: string): readonly (number | string)[] => {
  const found = dict.get(name);
  return found && !("dtype" in found) ? found : [];
};

/** Pixels of CIFAR's images: 32 × 32 of each color, one after the other. */
const PIXELS = 3 * 32 * 32;

/** The images of batches: their "data" [N, 3072], and "labels" or "fine_labels". */
async function pickledImages(
  files: readonly string[],
  { classes, skipCorrupt }: { classes: readonly string[] } & Pick<Context, "skipCorrupt">,
): Promise<Labelled> {
  const skipped: { file: string; reason: string }[] = [];
  const parts: { file: string; data: Uint8Array; labels: readonly number[] }[] = [];
  for (const file of files) {
    try {
      const dict = await readDict(file);
      const data = dict.get("data");
      const labels = listed(dict, dict.has("fine_labels") ? "fine_labels" : "labels").map(Number);
      const isData = data && "dtype" in data && data.dtype === "uint8" && data.data.length === labels.length * PIXELS;
      const isLabels = labels.length > 0 && labels.every((label) => label >= 0 && label < classes.length);
      if (!isData || !isLabels)
        throw new DataError(
          `it has no "data" [N, ${PIXELS}] with N labels of ${classes.length} classes; get it again`,
          { file, skippable: true },
        ); // prettier-ignore
      parts.push({ file, data: data.data as Uint8Array, labels });
    } catch (error) {
      if (!skipCorrupt || !(error instanceof DataError)) throw error;
      skipped.push({ file, reason: error.reason });
    }
  }
  const origins = parts.flatMap(({ file, labels }) => labels.map((_, i) => `${file}, image ${i}`));
  const all = sharedBytes(origins.length * PIXELS);
  let at = 0;
  for (const { data } of parts) {
    all.set(data, at);
    at += data.length;
  }
  const labels = parts.flatMap((part) => part.labels.map((label) => classes[label]!));
  const describe = (index: number) => origins[index]!;
  return { images: { kind: "pixels", data: all, shape: [3, 32, 32] }, labels, classes, describe, skipped };
}

export const idxArrays: Form = async ({ name, folder, files, skipCorrupt }) => {
  const present = { train: idxFiles(files, "train") !== undefined, test: idxFiles(files, "test") !== undefined };
  if (!present.train && !present.test) return undefined;
  return { format: "idx", parts: halves(folder, present, (split) => idx(folder, { name, split, skipCorrupt })) };
};
