/** What the controls of a page are set to: numbers with short names, kept in the address as "n3_c64". */
import { go, route } from "../state/route.ts";

/** What a control may be set to. Steps are counted from the least value; 1 where none is given. */
export interface Range {
  readonly start: number;
  readonly min: number;
  readonly max: number;
  readonly step?: number;
}

export type Ranges = Readonly<Record<string, Range>>;
export type Values<R extends Ranges> = { readonly [K in keyof R]: number };

/** Which of the three choices the reader predicted; none yet, or "show me". */
export const PREDICTION = { start: 0, min: 0, max: 4 } as const satisfies Range;
export const SKIPPED = 4;

const inside = ({ min, max, step = 1 }: Range, value: number): number => {
  const stepped = min + Math.round((value - min) / step) * step;
  return Number(Math.min(max, Math.max(min, stepped)).toFixed(4));
};

/** Reads settings; what is missing or no number starts as usual, and what is too large or too small is the nearest possible. */
export function parseSettings<R extends Ranges>(text: string | undefined, ranges: R): Values<R> {
  const given = new Map(
    (text ?? "").split("_").map((part) => [part.match(/^[a-z]+/)?.[0], part.replace(/^[a-z]+/, "")]),
  );
  const entries = Object.entries(ranges).map(([name, range]) => {
    const written = given.get(name);
    const value = written ? Number(written) : Number.NaN;
    return [name, Number.isFinite(value) ? inside(range, value) : range.start];
  });
  return Object.fromEntries(entries);
}

/** Writes settings; those that are as usual are left out. */
export function formatSettings<R extends Ranges>(values: Values<R>, ranges: R): string | undefined {
  const changed = Object.entries(ranges).filter(([name, { start }]) => values[name] !== start);
  return changed.map(([name]) => `${name}${values[name]}`).join("_") || undefined;
}

/** Changes some settings of the page that is shown. */
export function change<R extends Ranges>(ranges: R, values: Values<R>, changes: Partial<Values<R>>): void {
  const bounded = Object.entries(changes).map(([name, value]) => [name, inside(ranges[name]!, value as number)]);
  go({ set: formatSettings({ ...values, ...Object.fromEntries(bounded) }, ranges) });
}

export const settingsOf = <R extends Ranges>(ranges: R): Values<R> => parseSettings(route.value.set, ranges);
