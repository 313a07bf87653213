/** Throws an Error with the message when the condition does not hold. The message is built only then. */
export function check(condition: unknown, message: () => string): asserts condition {
  if (!condition) throw new Error(message());
}

/** Most names that a message lists. */
const LISTED = 8;

/** Names as a message lists them: `a, b, c and 40 more`. */
export function listed(names: readonly string[]): string {
  const more = names.length - LISTED;
  return more <= 0 ? names.join(", ") : `${names.slice(0, LISTED).join(", ")} and ${more} more`;
}

/** What a caller passed in, in a few words for a message: `"same"`, `2`, `Float32Array of 6`, `float32 [1, 3]`. */
export function describe(given: unknown): string {
  if (typeof given === "string") return JSON.stringify(given);
  if (typeof given !== "object" || given === null) return typeof given === "function" ? "a function" : String(given);
  const { dtype, shape, length } = given as { dtype?: unknown; shape?: unknown; length?: unknown };
  if (dtype && shape) return `${dtype} [${shape}]`;
  if (Array.isArray(given) && given.length <= 4) return JSON.stringify(given);
  const kind = Object.prototype.toString.call(given).slice(8, -1);
  return typeof length === "number" ? `${kind} of ${length}` : kind === "Object" ? "an object" : kind;
}

/** What a value may be: a predicate, and the words that say so. */
const KINDS = {
  axis: [(value: unknown) => Number.isInteger(value), "a whole number"],
  whole: [(value: unknown) => isWhole(value, 1), "a positive whole number"],
  size: [(value: unknown) => isPair(value, 1), "a positive whole number, or two: [height, width]"],
  pixels: [(value: unknown) => isPair(value, 0), "a whole number, or two: [height, width]"],
  padding: [
    (value: unknown) => value === "same" || value === "valid" || isPair(value, 0),
    'a whole number, or two: [height, width], or "same" or "valid"',
  ],
  number: [(value: unknown) => typeof value === "number" && !Number.isNaN(value), "a number"],
  boolean: [(value: unknown) => typeof value === "boolean", "true or false"],
  function: [(value: unknown) => typeof value === "function", "a function"],
  any: [() => true, "anything"],
} as const;

/** Kinds of values that `checkOptions` and `checkArguments` know. `size` is of at least 1, `pixels` of at least 0. */
export type OptionKind = keyof typeof KINDS;

const isWhole = (value: unknown, least: number) => Number.isInteger(value) && (value as number) >= least;
const isPair = (value: unknown, least: number) =>
  isWhole(value, least) || (Array.isArray(value) && value.length === 2 && value.every((item) => isWhole(item, least)));

/** Throws unless each value is of its kind; undefined is of none. `who` starts the message. */
export function checkArguments(
  who: string,
  values: Readonly<Record<string, unknown>>,
  kinds: Readonly<Record<string, OptionKind>>,
): void {
  for (const [name, value] of Object.entries(values)) {
    const [fits, words] = KINDS[kinds[name]!];
    check(fits(value), () => `${who}: ${name} has to be ${words}, but is ${describe(value)}`);
  }
}

/**
 * Throws unless `options` is an object whose every property is an allowed option, of the right kind where kinds are given; the
 * message suggests the nearest right name. `who` starts the message. Options that are undefined count as left out.
 *
 *     checkOptions("fit", options, ["epochs", "optimizer"]);
 *     checkOptions("Conv2d", options, { stride: "size", groups: "whole" });
 */
export function checkOptions(
  who: string,
  options: unknown,
  allowed: readonly string[] | Readonly<Record<string, OptionKind>>,
): void {
  const names = Array.isArray(allowed) ? (allowed as readonly string[]) : Object.keys(allowed);
  check(
    typeof options === "object" && options !== null && !Array.isArray(options),
    () =>
      `${who}: options are an object such as { ${names[0]}: ${typeof options === "number" ? options : "…"} }, but got ${describe(options)}`,
  );
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  for (const [name] of given)
    check(names.includes(name), () => `${who}: there is no option "${name}"; ${suggestion(name, names)}`);
  if (names !== allowed)
    checkArguments(who, Object.fromEntries(given), allowed as Readonly<Record<string, OptionKind>>);
}

/** `did you mean "padding"?`, or all names where none is near. */
function suggestion(name: string, names: readonly string[]): string {
  const near = nearest(name, names);
  return near === undefined ? `there are ${names.join(", ")}` : `did you mean "${near}"?`;
}

/** The name that was probably meant: the one with the fewest edits, if those are few. Case and "_" do not count. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[_-]/g, "");
  const given = plain(name);
  const cost = (other: string) => (given.length > 1 && plain(other).startsWith(given) ? 1 : edits(given, plain(other)));
  const [best] = names.map((other) => [cost(other), other] as const).sort(([a], [b]) => a - b);
  return best && best[0] <= Math.max(1, given.length / 3) ? best[1] : undefined;
}

/** Levenshtein's distance. */
function edits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++)
      next.push(Math.min(next[j]! + 1, row[j + 1]! + 1, row[j]! + (a[i] === b[j] ? 0 : 1)));
    row = next;
  }
  return row[b.length]!;
}
