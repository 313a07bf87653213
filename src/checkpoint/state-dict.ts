import { CheckpointError } from "./error.ts";

type Shaped = { readonly shape: readonly number[] };

/** What does not fit between a network and a set of weights. */
export class StateDictError extends CheckpointError {
  override readonly name: string = "StateDictError";
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
  readonly misshapen: readonly string[];

  constructor(
    message: string,
    missing: readonly string[],
    unexpected: readonly string[],
    misshapen: readonly string[],
  ) {
    super(message);
    this.missing = missing;
    this.unexpected = unexpected;
    this.misshapen = misshapen;
  }
}

/**
 * Throws a StateDictError, listing all that is wrong together, unless `actual` has exactly the expected keys, each with the
 * expected shape. `what` names the network in the message.
 */
export function checkStateDict(
  expected: ReadonlyMap<string, readonly number[]>,
  actual: ReadonlyMap<string, Shaped>,
  what = "state dict",
): void {
  const missing = [...expected.keys()].filter((key) => !actual.has(key));
  const unexpected = [...actual.keys()].filter((key) => !expected.has(key));
  const misshapen = [...expected.keys()].filter((key) => {
    const given = actual.get(key);
    return given && shapeOf(given.shape) !== shapeOf(expected.get(key)!);
  });
  const problems = [
    ...(missing.length > 0 ? [`missing keys: ${missing.join(", ")}`] : []),
    ...(unexpected.length > 0 ? [`unexpected keys: ${unexpected.join(", ")}`] : []),
    ...misshapen.map((key) => {
      return `size mismatch for ${key}: ${shapeOf(actual.get(key)!.shape)} in the file, ${shapeOf(expected.get(key)!)} in the network`;
    }),
  ];
  if (problems.length === 0) return;
  const prefix = commonPrefix(missing, unexpected);
  if (prefix) problems.push(`the file's keys begin with "${prefix}": take it off with mapStateDict`);
  throw new StateDictError(`${what} does not fit:\n  ${problems.join("\n  ")}`, missing, unexpected, misshapen);
}

/** A prefix such as DataParallel's `module.` without which the unexpected keys are the missing ones. */
function commonPrefix(missing: readonly string[], unexpected: readonly string[]): string | undefined {
  const [first] = unexpected;
  const end = missing.find((key) => first?.endsWith(`.${key}`));
  if (first === undefined || end === undefined) return undefined;
  const prefix = first.slice(0, -end.length);
  return unexpected.every((key) => key.startsWith(prefix) && missing.includes(key.slice(prefix.length)))
    ? prefix
    : undefined;
}

/**
 * The same values under other keys, in the same order; those that `rename` returns undefined for are left out.
 *
 *     mapStateDict(tensors, (key) => key.replace(/^module\./, ""))
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

function shapeOf(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}
