import { CheckpointError } from "./error.ts";

/**
 * The same values under other keys, in the same order; values for which `rename` returns undefined are left out. Throws when two
 * keys become the same.
 *
 *     mapStateDict(tensors, (key) => key.replace(/^backbone\./, ""))
 */
export function mapStateDict<T>(
  tensors: ReadonlyMap<string, T>,
  rename: (key: string) => string | undefined,
): Map<string, T> {
  const mapped = new Map<string, T>();
  for (const [key, value] of tensors) {
    const name = rename(key);
    if (name === undefined) continue;
    if (mapped.has(name)) throw new CheckpointError(`mapStateDict: two keys become "${name}", the second is "${key}"`);
    mapped.set(name, value);
  }
  return mapped;
}
