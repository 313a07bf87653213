import { check, checkArguments, describe, type OptionKind } from "../graph/index.ts";

/*
 * What arguments and options layers and functions take.
 */

/** A size in pixels: one for height and width, or one for each. */
export type Size = number | readonly [height: number, width: number];

/** Height and width of a size. */
export const pair = (size: Size): readonly [number, number] => (typeof size === "number" ? [size, size] : size);

/** One size or two, of which null keeps that of the input. */
export type OutputSize = number | readonly [height: number | null, width: number | null];

export const CONV = { stride: "size", padding: "padding", dilation: "size", groups: "whole" } as const;
export const WEIGHTS = { bias: "boolean", weight: "function", biasInit: "function" } as const;
export const CONV_TRANSPOSE = {
  stride: "size",
  padding: "pixels",
  outputPadding: "pixels",
  dilation: "size",
  groups: "whole",
} as const;
const POOL = { stride: "size", padding: "pixels", ceilMode: "boolean" } as const;
export const MAX_POOL = { ...POOL, dilation: "size" } as const;
export const AVG_POOL = { ...POOL, countIncludePad: "boolean" } as const;
export const BATCH_NORM = {
  eps: "number",
  momentum: "number",
  affine: "boolean",
  trackRunningStats: "boolean",
} as const;
export const LP_POOL = { stride: "size", ceilMode: "boolean" } as const;
export const LRN = { alpha: "number", beta: "number", k: "number" } as const;
export const AFFINE = { weight: "any", bias: "any", eps: "number" } as const;
export const BATCH_NORM_FUNCTION = { ...AFFINE, training: "boolean", momentum: "number" } as const;
export const GROUP_NORM = { eps: "number", affine: "boolean" } as const;
export const LAYER_NORM = { eps: "number", elementwiseAffine: "boolean", bias: "boolean" } as const;
export const GELU_OPTIONS = { approximate: "any" } as const;
export const SOFTPLUS = { beta: "number", threshold: "number" } as const;
export const PAD = { mode: "any", value: "number" } as const;
export const INTERPOLATE = { size: "size", scaleFactor: "any", mode: "any", alignCorners: "boolean" } as const;

const ARGUMENTS = {
  inChannels: "whole",
  outChannels: "whole",
  inFeatures: "whole",
  outFeatures: "whole",
  numFeatures: "whole",
  size: "whole",
  kernelSize: "size",
  outputSize: "size",
  dim: "axis",
  startDim: "axis",
  endDim: "axis",
} as const;

/** Throws unless each positional argument is what its name stands for in all layers. */
export function checkPositional(who: string, values: { readonly [name in keyof typeof ARGUMENTS]?: unknown }): void {
  checkArguments(who, values, ARGUMENTS);
}

/** Throws unless each argument is a number. */
export function checkNumbers(who: string, values: Readonly<Record<string, unknown>>): void {
  checkAll(who, values, "number");
}

/** Throws unless each argument is a positive whole number. */
export function checkWholes(who: string, values: Readonly<Record<string, unknown>>): void {
  checkAll(who, values, "whole");
}

function checkAll(who: string, values: Readonly<Record<string, unknown>>, kind: OptionKind): void {
  checkArguments(who, values, Object.fromEntries(Object.keys(values).map((name) => [name, kind])));
}

/** Throws unless this is an output size. */
export function checkOutputSize(who: string, given: OutputSize): void {
  checkPositional(who, { outputSize: Array.isArray(given) ? given.map((size) => size ?? 1) : given });
}

/** Throws unless the one argument in `given` is among the choices. */
export function checkChoice(who: string, given: Readonly<Record<string, unknown>>, choices: readonly string[]): void {
  const [[name, value]] = Object.entries(given) as [[string, unknown]];
  check(
    choices.includes(value as string),
    () => `${who}: ${name} has to be one of ${choices.map(describe).join(", ")}, but is ${describe(value)}`,
  );
}
