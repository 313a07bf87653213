import { Random } from "convnets";
import { toFloat32 } from "convnets/graph";
import type { Module } from "convnets/nn";
import type { Weights } from "./protocol.ts";

/** Filters that are shown at most, and channels of each. */
const FILTERS = 64;
const CHANNELS = 16;
const BINS = 48;
/** Initial weights of larger layers are not computed only to be shown. */
const MOST = 8e6;

/** The weight of a layer: its first filters, and how its numbers are distributed. Initial weights are those of seed 0. */
export function weightsOf(module: Module, path: string): Weights | undefined {
  const own = Object.entries(module).find(([name]) => name === "weight");
  const [key, stored] = [...module.parameters()].find(([, parameter]) => parameter === own?.[1]) ?? [];
  if (!stored || !key) return undefined;
  const full = path === "" ? key : `${path}.${key}`;
  if (!stored.data && stored.numel > MOST) return undefined;
  const { data } = toFloat32(stored.data ?? stored.draw(new Random(0, full)));
  const numbers = data as Float32Array;
  const { shape } = stored;
  return {
    key: full,
    shape,
    ...statisticsOf(numbers),
    ...(shape.length === 4 && { filters: filtersOf(numbers, shape) }),
  };
}

function statisticsOf(numbers: Float32Array): Pick<Weights, "histogram" | "mean" | "std"> {
  let [sum, squares, from, to] = [0, 0, Infinity, -Infinity];
  for (const number of numbers) {
    sum += number;
    squares += number * number;
    if (number < from) from = number;
    if (number > to) to = number;
  }
  const mean = sum / numbers.length;
  const counts = Array<number>(BINS).fill(0);
  const scale = to > from ? BINS / (to - from) : 0;
  for (const number of numbers) counts[Math.min(BINS - 1, Math.floor((number - from) * scale))]! += 1;
  const std = Math.sqrt(Math.max(0, squares / numbers.length - mean * mean));
  return { histogram: { from, to, counts }, mean, std };
}

/** The first filters of a weight [O, C, kH, kW], and of them the first channels. */
export function filtersOf(
  numbers: Float32Array,
  [O = 0, C = 0, kH = 0, kW = 0]: readonly number[],
): NonNullable<Weights["filters"]> {
  const [filters, channels] = [Math.min(O, FILTERS), Math.min(C, CHANNELS)];
  const area = channels * kH * kW;
  const data = new Float32Array(filters * area);
  for (let o = 0; o < filters; o++) data.set(numbers.subarray(o * C * kH * kW, o * C * kH * kW + area), o * area);
  return { shape: [filters, channels, kH, kW], data };
}
