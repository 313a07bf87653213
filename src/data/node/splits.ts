/** Training, validation and test set, under the names that published data sets use. */

export type Split = "train" | "val" | "test";

export const SPLITS = ["train", "val", "test"] as const satisfies readonly Split[];

export const PART_NAMES = {
  train: "training set",
  val: "validation set",
  test: "test set",
} as const satisfies Record<Split, string>;

/** Folder names of each part, without case, spaces, "-", "_" and "."; `seg_train`, `training_set` and `Train` are all parts. */
const NAMES = {
  train: /^(seg)?(train|training|trn)(set|data|dataset|images|imgs|split)?1?$/,
  val: /^(seg)?(val|valid|validation|dev|devel)(set|data|dataset|images|imgs|split)?1?$/,
  test: /^(seg)?(test|testing|tst)(set|data|dataset|images|imgs|split)?1?$/,
} as const satisfies Record<Split, RegExp>;

/** The part that a folder of this name holds. */
export function splitOf(name: string): Split | undefined {
  const plain = name.toLowerCase().replaceAll(/[\s._-]/g, "");
  return SPLITS.find((split) => NAMES[split].test(plain));
}

/** Names of parts of known data sets. */
const KNOWN: Readonly<Record<string, Split>> = { t10k: "test", publictest: "val", privatetest: "test" };

/** The part that a file, an array or the value of a column names: `mnist_train`, `test-00000-of-00001`, `x_val`. */
export function partNamed(name: string): Split | undefined {
  const words = [name, ...name.split(/[^A-Za-z0-9]+|(?<=[a-z])(?=[A-Z])/)];
  return words.map((word) => splitOf(word) ?? KNOWN[word.toLowerCase()]).find((split) => split !== undefined);
}

/** Class names that look like parts: a folder may have been understood wrongly. */
export function splitLikeNames(classes: readonly string[]): string[] {
  const found = classes.filter((name) =>
    /(^|[\s._-])(train(ing)?|test(ing)?|val(id(ation)?)?|holdout|eval(uation)?)([\s._-]|\d|$)/i.test(name),
  );
  // pictures of trains are a class that people have
  return found.length === 1 && found[0]!.toLowerCase() === "train" ? [] : found;
}
