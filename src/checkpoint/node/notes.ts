/** What there is to say of weights that were read, and what tells a file of weights from others. */
import type { FittedKeys } from "../../graph/index.ts";

/** The `kind` in the metadata of a checkpoint that a run resumes from. */
export const TRAINING_STATE = "training state";

/** The sentence for keys whose prefix was removed, as `fitKeys` does it; undefined if none was. */
export function prefixNote(file: string, { removed, leftOut = [] }: FittedKeys<unknown>): string | undefined {
  if (removed === undefined) return undefined;
  const from = leftOut.length > 0 ? "the keys" : "every key";
  const by = /_orig_mod/.test(removed)
    ? " (saved under torch.compile)"
    : /^(module\.)+$/.test(removed)
      ? " (saved under DataParallel)"
      : "";
  const rest =
    leftOut.length > 0
      ? ` ${leftOut.length} without it are left out: ${leftOut.slice(0, 5).join(", ")}${leftOut.length > 5 ? ", …" : ""}.`
      : "";
  return `${file}: removed "${removed}" from the start of ${from}${by}.${rest}`;
}

/** What the reader of a file has to say of it, as sentences that name the file. */
export const readNotes = (file: string, { notes = [] }: { readonly notes?: readonly string[] }): string[] =>
  notes.map((note) => `${file}: ${note}.`);
