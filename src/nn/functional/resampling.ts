import { check, checkOptions, type Dim, describe, Float, formatShape } from "../../graph/index.ts";
import { checkChoice, checkWholes, INTERPOLATE, pair, type Size } from "../options.ts";
import type { Tensor } from "../tensor.ts";

/** Options of `interpolate` and `Upsample`: one of `size` and `scaleFactor`. */
export interface InterpolateOptions {
  /** Pixels of the output. */
  size?: Size;
  /** Output pixels for each input pixel, one number or [height, width]. */
  scaleFactor?: number | readonly [height: number, width: number];
  /** Default "nearest". */
  mode?: "nearest" | "bilinear" | "bicubic";
  /** Whether the corners' centers stay in place, instead of the corners themselves. Default false. */
  alignCorners?: boolean;
}

/** Throws unless these are options of `interpolate`. */
export function checkInterpolation(who: string, options: InterpolateOptions): void {
  checkOptions(who, options, INTERPOLATE);
  const { size, scaleFactor, mode = "nearest", alignCorners } = options;
  checkChoice(who, { mode }, ["nearest", "bilinear", "bicubic"]);
  check(
    (size === undefined) !== (scaleFactor === undefined),
    () => `${who}: needs one of size and scaleFactor, such as { scaleFactor: 2 }`,
  );
  check(
    scaleFactor === undefined || [scaleFactor].flat().every((factor) => typeof factor === "number" && factor > 0),
    () => `${who}: scaleFactor has to be a positive number, or two: [height, width], but is ${describe(scaleFactor)}`,
  );
  check(
    mode !== "nearest" || alignCorners === undefined,
    () => `${who}: alignCorners is for the modes "bilinear" and "bicubic"; mode "nearest" has no such option`,
  );
}

/**
 * Images of another size, as PyTorch's F.interpolate computes them.
 *
 *     x [N, C, H, W] → y [N, C, size] or [N, C, ⌊H·scaleFactor⌋, ⌊W·scaleFactor⌋]
 */
export function interpolate(x: Tensor, options: InterpolateOptions): Tensor {
  checkInterpolation("interpolate", options);
  check(x.shape.length === 4, () => `interpolate: takes images [N, C, H, W], not ${formatShape(x.shape)}`);
  const { size, scaleFactor = 1, mode = "nearest", alignCorners = false } = options;
  const { ops } = x.tracer;
  const attributes = {
    mode: mode === "nearest" ? mode : mode === "bilinear" ? "linear" : "cubic",
    coordinate_transformation_mode: mode === "nearest" ? "asymmetric" : alignCorners ? "align_corners" : "half_pixel",
    ...(mode === "nearest" && { nearest_mode: "floor" }),
    ...(mode === "bicubic" && { cubic_coeff_a: new Float(-0.75) }),
  };
  if (size !== undefined)
    return x.wrap(ops.one("Resize", [x.value, undefined, undefined, sizesOf(x, pair(size))], attributes));
  const scales = Float32Array.of(1, 1, ...pair(scaleFactor));
  const constant = ops.constant({ dtype: "float32", shape: [4], data: scales });
  return x.wrap(ops.one("Resize", [x.value, undefined, constant], attributes));
}

/** The output's shape as a vector; the batch, where it is named, is read from x. */
function sizesOf(x: Tensor, size: readonly [number, number]) {
  const { ops } = x.tracer;
  const [N, C] = x.shape;
  if (typeof N === "number") return ops.ints([N, C as number, ...size]);
  const batch = ops.one("Shape", [x.value], { start: 0, end: 1 });
  return ops.concat([batch, ops.ints([C as number, ...size])], 0);
}

/** The axis `dim` split into several of these sizes, one of which may be −1: x [N, C·H·W] → y [N, C, H, W] for [C, H, W] */
export function unflatten(x: Tensor, dim: number, sizes: readonly Dim[]): Tensor {
  const axis = dim < 0 ? dim + x.shape.length : dim;
  check(axis >= 0 && axis < x.shape.length, () => `unflatten: ${formatShape(x.shape)} has no axis ${dim}`);
  return x.view(...x.shape.slice(0, axis), ...sizes, ...x.shape.slice(axis + 1));
}

/**
 * Channels become pixels (Shi et al. 2016): x [N, C·r², H, W] → y [N, C, H·r, W·r] with r = upscaleFactor. Throws when the channels
 * do not divide by r².
 */
export function pixelShuffle(x: Tensor, upscaleFactor: number): Tensor {
  checkWholes("pixelShuffle", { upscaleFactor });
  return x.apply("DepthToSpace", [], { blocksize: upscaleFactor, mode: "CRD" });
}

/**
 * Deals channels out over the groups, so that group convolutions after it see all of them (Zhang et al. 2017).
 *
 *     x [N, groups·c, H, W] → y [N, c·groups, H, W],  y channel j·groups + i = x channel i·c + j
 */
export function channelShuffle(x: Tensor, groups: number): Tensor {
  checkWholes("channelShuffle", { groups });
  const [N, C, ...pixels] = x.shape;
  check(
    typeof C === "number" && C % groups === 0,
    () => `channelShuffle: the channels of ${formatShape(x.shape)} do not divide into ${groups} groups`,
  );
  const apart = x.view(N!, groups, C / groups, ...pixels);
  return apart.transpose(1, 2).view(...x.shape);
}
