import type { Item } from "./items.ts";

/** What becomes of an item in the other network: the same there, changed, or in one of them only. */
export type Mark = "same" | "changed" | "first" | "second";

/**
 * Which items two networks share and where they part: the longest sequence that both have in this order; between, what has at least
 * the same purpose is changed. Names and the sizes of maps do not count. Blocks that are shown open are compared inside as well.
 */
export function compareItems(first: readonly Item[], second: readonly Item[], open: boolean): Map<Item, Mark> {
  const marks = new Map<Item, Mark>();
  const isOpen = (item: Item) => item.role === "block" && (item.open ?? open);
  const mark = (item: Item, what: Mark): void => {
    marks.set(item, what);
    if (isOpen(item)) for (const one of item.inside) mark(one, what);
  };
  const compare = (a: readonly Item[], b: readonly Item[]): void => {
    const [left, right] = [new Set(a), new Set(b)];
    for (const [one, other] of common(a, b, signature)) {
      for (const item of [one, other]) mark(item, "same");
      left.delete(one);
      right.delete(other);
    }
    for (const [one, other] of common([...left], [...right], purpose)) {
      left.delete(one);
      right.delete(other);
      for (const item of [one, other]) marks.set(item, "changed");
      if (isOpen(one) && isOpen(other)) compare(one.inside, other.inside);
      else for (const item of [one, other]) mark(item, "changed");
    }
    for (const item of left) mark(item, "first");
    for (const item of right) mark(item, "second");
  };
  compare(first, second);
  return marks;
}

/** All that an item computes, without its name and the size of its maps. */
function signature(item: Item): string {
  const { role, kind, title, note, folded, params, shape, inside } = item;
  const channels = String(shape[0] ?? "");
  if (role === "block") return JSON.stringify([params, channels, inside.map(signature)]);
  if (role !== "layer") return JSON.stringify([role, channels]);
  return JSON.stringify([kind, title, note, folded.map((face) => face.title), params, channels]);
}

/** What an item is for. */
const purpose = ({ role, kind, note }: Item): string => (role === "block" ? `block ${note}` : `${role} ${kind}`);

/** The longest sequence that both lists have in this order, as pairs. */
function common(a: readonly Item[], b: readonly Item[], keyOf: (item: Item) => string): (readonly [Item, Item])[] {
  const [left, right] = [a.map(keyOf), b.map(keyOf)];
  const length = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      length[i]![j] =
        left[i] === right[j] ? length[i + 1]![j + 1]! + 1 : Math.max(length[i + 1]![j]!, length[i]![j + 1]!);
  const pairs: (readonly [Item, Item])[] = [];
  for (let [i, j] = [0, 0]; i < a.length && j < b.length; ) {
    if (left[i] === right[j]) pairs.push([a[i++]!, b[j++]!]);
    else if (length[i + 1]![j]! >= length[i]![j + 1]!) i++;
    else j++;
  }
  return pairs;
}
