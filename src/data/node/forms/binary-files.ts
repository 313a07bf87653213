/** CIFAR's and MNIST's own files. */
import { cifar10, cifar100 } from "../cifar.ts";
import { idx, idxFiles } from "../idx.ts";
import type { Split } from "../splits.ts";
import type { Form, Found, Part } from "./form.ts";

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

export const idxArrays: Form = async ({ name, folder, files, skipCorrupt }) => {
  const present = { train: idxFiles(files, "train") !== undefined, test: idxFiles(files, "test") !== undefined };
  if (!present.train && !present.test) return undefined;
  return { format: "idx", parts: halves(folder, present, (split) => idx(folder, { name, split, skipCorrupt })) };
};
