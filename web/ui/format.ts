/** Numbers as people read them: thousands grouped, units always. */
import { language } from "../text/language.ts";

// toLocaleString looks its locale up each time, which a table notices
const thousands = new Intl.NumberFormat("en-US");
export const grouped = (count: number): string => thousands.format(count);

const UNITS = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
] as const;

/** Three digits and a unit: 138 M. */
export function short(count: number): string {
  const found = UNITS.find(([size]) => count >= size * 0.9995);
  return found ? `${(count / found[0]).toPrecision(3)} ${found[1]}` : String(count);
}

/** Bytes with a unit of 1000: 3.21 MB. */
export function bytes(count: number): string {
  const found = UNITS.find(([size]) => count >= size * 0.9995);
  return found ? `${(count / found[0]).toPrecision(3)} ${found[1]}B` : `${count} B`;
}

export function percent(share: number): string {
  const value = 100 * share;
  if (value === 0) return "0 %";
  return value < 0.1 ? "< 0.1 %" : `${value < 10 ? value.toFixed(1) : Math.round(value)} %`;
}

/** 192 × 28 × 28, without the batch. */
export const shape = (dims: readonly (number | string)[] | undefined): string => (dims ? dims.join(" × ") : "–");

export const perSample = (dims: readonly (number | string)[] | undefined) =>
  dims && dims.length > 1 ? dims.slice(1) : dims;

/** A number with three digits. */
export const digits = (value: number): string => String(Number(value.toPrecision(3))).replace("-", "−");

/** Names in a sentence. */
export const listOf = (names: readonly string[]): string => names.join(language.value === "zh" ? "、" : ", ");
