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
  check(
    Array.isArray(amounts) && amounts.every(Number.isInteger),
    () => `pad: takes a list of whole numbers, such as [left, right, top, bottom], but got ${describe(amounts)}`,
  );
  check(
    amounts.length % 2 === 0 && amounts.length <= 2 * x.shape.length,
    () => `pad: takes two amounts for each axis of ${formatShape(x.shape)}, from the last, but got [${amounts}]`,
  );
  if (amounts.every((count) => count === 0)) return x;
  if (mode === "constant") return x.pad(amounts, value);
  const { shape, tracer } = x;
  const at = (axis: number, end: 0 | 1) => amounts[2 * (shape.length - 1 - axis) + end] ?? 0;
  for (const [axis, size] of shape.entries()) {
    const [before, after] = [at(axis, 0), at(axis, 1)];
    check(Math.min(before, after) >= 0, () => `pad: negative amounts need mode "constant"`);
    const most = Math.max(before, after);
    check(
      mode === "replicate" || most === 0 || (typeof size === "number" && most < size),
      () => `pad: to mirror ${most} elements, axis ${axis} of ${formatShape(shape)} has to be longer than that`,
    );
  }
  const pads = ([0, 1] as const).flatMap((end) => shape.map((_, axis) => at(axis, end)));
  return x.wrap(tracer.ops.one("Pad", [x.value, tracer.ops.ints(pads)], { mode: MODES[mode] }));
}
