import { check, listed } from "./check.ts";
import type { TensorType } from "./graph.ts";
import { formatShape } from "./shape.ts";

/** What DataParallel and torch.compile put before every key. */
const WRAPPER = /^(module|_orig_mod)\./;
const COUNT = /(^|\.)num_batches_tracked$/;

/** Weights under the keys of a network, and what was done to make them fit. */
export interface FittedKeys<T> {
  readonly weights: ReadonlyMap<string, T>;
  /** The prefix that was removed, to be reported. */
  readonly removed?: string;
  /** Keys that do not begin with it, and are left out. */
  readonly leftOut?: readonly string[];
}

/**
 * Weights under the keys of a network. A prefix is removed when the keys fit only without it: `module.` (DataParallel) and
 * `_orig_mod.` (torch.compile), which every key has; or any other, such as `net.`, `model.` or `backbone.`, below which all keys
 * of the network are found, or most, if every key has it. Counts of batches that the network does not keep are left out.
 */
export function fitKeys<T>(
  weights: ReadonlyMap<string, T>,
  expected: { has(key: string): boolean; keys?(): Iterable<string> },
): FittedKeys<T> {
  const keys = [...weights.keys()];
  for (let removed = ""; ; ) {
    const from = removed.length;
    if (keys.some((key) => expected.has(key.slice(from)))) return below(weights, removed, expected);
    const prefix = WRAPPER.exec(keys[0]?.slice(from) ?? "");
    if (prefix) removed += prefix[0];
    if (!prefix || !keys.every((key) => key.startsWith(removed))) break;
  }
  const wanted = [...(expected.keys?.() ?? [])].filter((key) => !COUNT.test(key));
  const prefixes = new Set(
    wanted
      .slice(0, 4)
      .flatMap((want) => keys.filter((key) => key.endsWith(`.${want}`)).map((key) => key.slice(0, -want.length))),
  );
  const found = (prefix: string) => wanted.filter((want) => weights.has(prefix + want)).length;
  const [best] = [...prefixes].sort((a, b) => found(b) - found(a) || a.length - b.length);
  const fits =
    best !== undefined &&
    (found(best) === wanted.length || (2 * found(best) >= wanted.length && keys.every((key) => key.startsWith(best))));
  return fits ? below(weights, best, expected) : { weights };
}

/** The weights whose keys begin with a prefix, under the rest of their keys. */
function below<T>(
  weights: ReadonlyMap<string, T>,
  prefix: string,
  expected: { has(key: string): boolean },
): FittedKeys<T> {
  const isExtra = (key: string) =>
    COUNT.test(key) && !expected.has(key) && expected.has(key.replace(COUNT, "$1running_mean"));
  if (prefix === "" && ![...weights.keys()].some(isExtra)) return { weights };
  const leftOut = [...weights.keys()].filter((key) => !key.startsWith(prefix));
  const renamed = [...weights]
    .filter(([key]) => key.startsWith(prefix))
    .map(([key, value]): [string, T] => [key.slice(prefix.length), value])
    .filter(([key]) => !isExtra(key));
  return {
    weights: new Map(renamed),
    ...(prefix !== "" && { removed: prefix }),
    ...(leftOut.length > 0 && { leftOut }),
  };
}

/** The prefixes, each ending in a dot, that every key has: "" first, then longer ones. */
export function commonPrefixes(keys: Iterable<string>): string[] {
  const all = [...keys];
  const parts = all[0]?.split(".").slice(0, -1) ?? [];
  const prefixes = parts.map((_, i) => `${parts.slice(0, i + 1).join(".")}.`);
  return ["", ...prefixes.filter((prefix) => all.every((key) => key.startsWith(prefix)))];
}

/**
 * How well a set of weights fits a network: how many of the network's weights it has, under their keys and with their shapes, and
 * less by a fraction for what else is in it.
 */
export function countFitting(
  given: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  expected: ReadonlyMap<string, readonly number[]>,
): number {
  const { weights } = fitKeys(given, expected);
  const fitting = [...expected].filter(([key, shape]) => weights.get(key)?.shape.join() === shape.join()).length;
  return fitting - (given.size - fitting) / (given.size + 1);
}

/**
 * Weights under other keys, by rules such as `module.=` (removes a prefix) or `fc.=head.` (replaces one), each for the start of a
 * key and applied in order. Throws for a rule that no key begins with, and if two keys become the same.
 */
export function renameKeys<T>(
  weights: ReadonlyMap<string, T>,
  rules: readonly (readonly [from: string, to: string])[],
): Map<string, T> {
  let renamed = new Map(weights);
  for (const [from, to] of rules) {
    const keys = [...renamed.keys()];
    check(
      keys.some((key) => key.startsWith(from)),
      () => `rename: no key begins with "${from}"; the keys are ${listed(keys)}`,
    );
    const next = new Map(
      [...renamed].map(([key, value]) => [key.startsWith(from) ? to + key.slice(from.length) : key, value]),
    );
    check(next.size === renamed.size, () => `rename: "${from}=${to}" makes two keys the same`);
    renamed = next;
  }
  return renamed;
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
  const isStatistic = (key: string) => /(^|\.)(running_mean|running_var|num_batches_tracked)$/.test(key);
  const isUntracked = missing.length > 0 && missing.every(isStatistic) && unexpected.length === 0;
  const lines = [
    ["missing", missing],
    ["unexpected", unexpected],
    ["of another shape or type", misshapen],
    ["remove this prefix from the keys", prefix && unexpected.every((key) => key.startsWith(prefix)) ? [prefix] : []],
  ] as const;
  const found = lines.flatMap(([what, keys]) => (keys.length > 0 ? [`\n  ${what}: ${listed(keys)}`] : []));
  if (isUntracked)
    found.push(
      "\n  the weights were saved without running statistics; a network that has none matches them: new BatchNorm2d(…, { trackRunningStats: false })",
    );
  check(found.length === 0, () => problem + found.join(""));
}
