import { check, checkOptions, describe, formatShape } from "../../graph/index.ts";
import { checkChoice, PAD } from "../options.ts";
import type { Tensor } from "../tensor.ts";

/** Options of `pad`. */
export interface PadOptions {
  /** What is added: a constant, x mirrored at its border pixels, or its border pixels repeated. Default "constant". */
  mode?: "constant" | "reflect" | "replicate";
  /** The constant. Default 0. */
  value?: number;
}

const MODES = { constant: "constant", reflect: "reflect", replicate: "edge" } as const;

/**
 * Pads the last axes, in PyTorch's order: `[left, right, top, bottom]` for images. Negative amounts of constants cut off.
 *
 *     x [N, C, H, W] → y [N, C, top + H + bottom, left + W + right]
 */
export function pad(x: Tensor, amounts: readonly number[], options: PadOptions = {}): Tensor {
  checkOptions("pad", options, PAD);
  const { mode = "constant", value = 0 } = options;
  checkChoice("pad", { mode }, Object.keys(MODES));
  const { shape, tracer } = x;
  check(
    Array.isArray(amounts) &&
      amounts.length % 2 === 0 &&
      amounts.length <= 2 * shape.length &&
      amounts.every(Number.isInteger),
    () =>
      `pad: takes two whole numbers for each axis of ${formatShape(shape)}, from the last, but got ${describe(amounts)}`,
  );
  const at = (axis: number, end: 0 | 1) => amounts[2 * (shape.length - 1 - axis) + end] ?? 0;
  const pads = ([0, 1] as const).flatMap((end) => shape.map((_, axis) => at(axis, end)));
  if (mode !== "constant") {
    for (const [axis, size] of shape.entries()) {
      const most = Math.max(at(axis, 0), at(axis, 1));
      check(Math.min(at(axis, 0), at(axis, 1)) >= 0, () => `pad: negative amounts need mode "constant"`);
      check(
        mode !== "reflect" || most === 0 || (typeof size === "number" && most < size),
        () => `pad: to mirror ${most} elements, axis ${axis} of ${formatShape(shape)} has to be longer than that`,
      );
    }
  }
  if (pads.every((count) => count === 0)) return x;
  const { ops } = tracer;
  const inputs = [x.value, ops.ints(pads), ...(mode === "constant" && value !== 0 ? [ops.scalar(value)] : [])];
  return x.wrap(ops.one("Pad", inputs, mode === "constant" ? {} : { mode: MODES[mode] }));
}
