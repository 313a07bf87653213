import { check, listed } from "./check.ts";
import type { TensorType } from "./graph.ts";
import { formatShape } from "./shape.ts";

/** What DataParallel and torch.compile put before every key. */
const WRAPPER = /^(module|_orig_mod)\./;

/**
 * Weights under the keys of a network: the prefixes `module.` (DataParallel) and `_orig_mod.` (torch.compile) are taken off when
 * every key has them and the keys fit only without them. `removed` is what was taken off, to be reported.
 */
export function fitKeys<T>(
  weights: ReadonlyMap<string, T>,
  expected: { has(key: string): boolean },
): { readonly weights: ReadonlyMap<string, T>; readonly removed?: string } {
  const keys = [...weights.keys()];
  for (let removed = ""; ; ) {
    const from = removed.length;
    if (keys.some((key) => expected.has(key.slice(from))))
      return from === 0 ? { weights } : { weights: new Map([...weights].map(([k, v]) => [k.slice(from), v])), removed };
    const prefix = WRAPPER.exec(keys[0]?.slice(from) ?? "");
    if (!prefix) return { weights };
    removed += prefix[0];
    if (!keys.every((key) => key.startsWith(removed))) return { weights };
  }
}

/**
 * Throws, listing all problems together, unless `given` has exactly the expected keys, each with the expected type and shape.
 * `problem` is the first line of the message. Without `strict`, keys may be missing or unexpected, but types have to agree.
 */
export function checkStateDict(
  given: ReadonlyMap<string, TensorType>,
  expected: ReadonlyMap<string, TensorType>,
  problem: string,
  strict = true,
): void {
  const type = ({ dtype, shape }: TensorType) => dtype + formatShape(shape);
  const missing = strict ? [...expected.keys()].filter((key) => !given.has(key)) : [];
  const unexpected = strict ? [...given.keys()].filter((key) => !expected.has(key)) : [];
  const misshapen = [...expected].flatMap(([key, wanted]) => {
    const found = given.get(key);
    return found && type(found) !== type(wanted) ? [`${key} (${type(found)} instead of ${type(wanted)})`] : [];
  });
  const end = missing.find((key) => unexpected[0]?.endsWith(`.${key}`));
  const prefix = end && unexpected[0]!.slice(0, -end.length);
  const lines = [
    ["missing", missing],
    ["unexpected", unexpected],
    ["of another shape or type", misshapen],
    ["remove this prefix from the keys", prefix && unexpected.every((key) => key.startsWith(prefix)) ? [prefix] : []],
  ] as const;
  const found = lines.flatMap(([what, keys]) => (keys.length > 0 ? [`\n  ${what}: ${listed(keys)}`] : []));
  check(found.length === 0, () => problem + found.join(""));
}
