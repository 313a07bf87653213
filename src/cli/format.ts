/** How numbers and shapes are written for people. */
import { formatShape, type Shape } from "../graph/index.ts";

/** 0.1234 → "12.3 %"; "–" where there is no number. */
export function percent(share: number | null | undefined, digits = 1): string {
  return share == null || !Number.isFinite(share) ? "–" : `${(100 * share).toFixed(digits)} %`;
}

/** 75 → "1:15" */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number) => String(value).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

interface Typed {
  readonly dtype: string;
  readonly shape: Shape;
}

/** Inputs or outputs of a graph, up to four of them. */
export function valueList(values: Iterable<readonly [string, Typed]>): string {
  const all = [...values].map(([name, { dtype, shape }]) => `${name} ${dtype}${formatShape(shape)}`);
  return all.length > 4 ? `${all.slice(0, 3).join(", ")} and ${all.length - 3} more` : all.join(", ");
}

/** 1234567 → "1.2 MB" */
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e6 ? 3 : 1)} MB`;

export const grouped = (value: number): string => value.toLocaleString("en-US");

/** A number scaled by thousands: 15.47 G. */
export function scaled(value: number): string {
  const units = ["", " k", " M", " G", " T"];
  const step = Math.min(Math.floor(Math.log10(Math.max(value, 1)) / 3), units.length - 1);
  return step === 0 ? String(value) : `${(value / 1000 ** step).toFixed(2)}${units[step]}`;
}
