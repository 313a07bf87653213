/** Padding and resampling of images against PyTorch. */
import fc from "fast-check";
import { describe, it } from "vitest";
import { F } from "../../src/nn/index.ts";
import { family, RUNS } from "../support/family.ts";
import { checkFamily } from "../support/gradients.ts";

const upTo = (max: number, min = 1) => fc.integer({ min, max });
const image = fc.tuple(upTo(3), upTo(6), upTo(6));

describe("padding", () => {
  it("with a constant takes any amounts, from the last axis on", () => {
    const geometry = fc.record({
      image: fc.tuple(upTo(3), upTo(6, 4), upTo(6, 4)),
      amounts: fc
        .array(fc.integer({ min: -1, max: 3 }), { minLength: 2, maxLength: 6 })
        .map((all) => all.slice(all.length % 2)),
      value: fc.constantFrom(0, -1.5),
    });
    return checkFamily(
      family(geometry, ({ image: [C, H, W], amounts, value }, N, draw) => {
        // no axis may vanish
        const pads = amounts.map((amount, i) => (i >= 4 ? Math.max(0, amount) : amount));
        return {
          inputs: [draw.uniform([N, C, H, W])],
          build: ([x]) => F.pad(x!, pads, { value }),
          torch: `F.pad(x[0], [${pads}], value=${value})`,
        };
      }),
      2 * RUNS,
    );
  });

  it("by mirroring and by repeating the border", () => {
    const side = fc.integer({ min: 0, max: 3 });
    const geometry = fc.record({
      image: fc.tuple(upTo(3), upTo(6, 4), upTo(6, 4)),
      sides: fc.tuple(side, side, side, side),
      mode: fc.constantFrom("reflect" as const, "replicate" as const),
    });
    return checkFamily(
      family(geometry, ({ image: [C, H, W], sides, mode }, N, draw) => ({
        inputs: [draw.uniform([N, C, H, W])],
        build: ([x]) => F.pad(x!, sides, { mode }),
        torch: `F.pad(x[0], [${sides}], "${mode}")`,
      })),
      2 * RUNS,
    );
  });
});

describe("resampling", () => {
  const mode = fc.constantFrom("nearest" as const, "bilinear" as const, "bicubic" as const);

  it("interpolate to a size", () => {
    const geometry = fc.record({ image, size: fc.tuple(upTo(9), upTo(9)), mode, alignCorners: fc.boolean() });
    return checkFamily(
      family(geometry, ({ image, size, mode, alignCorners }, N, draw) => {
        const corners = mode !== "nearest" && { alignCorners };
        return {
          inputs: [draw.uniform([N, ...image])],
          build: ([x]) => F.interpolate(x!, { size, mode, ...corners }),
          torch: `F.interpolate(x[0], (${size}), mode="${mode}"${corners ? `, align_corners=bool(${Number(alignCorners)})` : ""})`,
        };
      }),
      3 * RUNS,
    );
  });

  it("interpolate by a factor", () => {
    const factor = fc.constantFrom(1, 2, 3, 1.5, 2.5, 0.5);
    const geometry = fc.record({
      image: fc.tuple(upTo(3), upTo(6, 2), upTo(6, 2)),
      factor: fc.oneof(factor, fc.tuple(factor, factor)),
      mode,
      alignCorners: fc.boolean(),
    });
    return checkFamily(
      family(geometry, ({ image, factor, mode, alignCorners }, N, draw) => {
        const corners = mode !== "nearest" && { alignCorners };
        return {
          inputs: [draw.uniform([N, ...image])],
          build: ([x]) => F.interpolate(x!, { scaleFactor: factor, mode, ...corners }),
          torch: `F.interpolate(x[0], scale_factor=${JSON.stringify(factor)}, mode="${mode}"${corners ? `, align_corners=bool(${Number(alignCorners)})` : ""})`,
        };
      }),
      3 * RUNS,
    );
  });

  it("pixelShuffle and channelShuffle move elements", () =>
    checkFamily(
      family(fc.record({ image, factor: upTo(3) }), ({ image: [C, H, W], factor }, N, draw) => ({
        inputs: [draw.uniform([N, C * factor ** 2, H, W])],
        build: ([x]) => [F.pixelShuffle(x!, factor), F.channelShuffle(x!, factor)],
        torch: `[F.pixel_shuffle(x[0], ${factor}), x[0].unflatten(1, (${factor}, -1)).transpose(1, 2).flatten(1, 2)]`,
      })),
    ));
});
