/** Normalizations by an input's own statistics against PyTorch. */
import fc from "fast-check";
import { describe, it } from "vitest";
import { F } from "../../src/nn/index.ts";
import { family } from "../support/family.ts";
import { checkFamily } from "../support/gradients.ts";

const upTo = (max: number, min = 1) => fc.integer({ min, max });
const affine = fc.constantFrom("none", "weight", "both");
const eps = fc.constantFrom(1e-5, 0.1);

/** Weight and bias as options, from the inputs after x. */
const options = <T>([, weight, bias]: readonly T[]) => ({ ...(weight && { weight }), ...(bias && { bias }) });
const count = (which: string) => (which === "none" ? 0 : which === "weight" ? 1 : 2);
const wrt = (which: string) => [0, 1, 2].slice(0, 1 + count(which));

describe("normalizations", () => {
  it("layerNorm over one axis or several", () => {
    const geometry = fc.record({
      leading: fc.array(upTo(3), { maxLength: 2 }),
      sizes: fc.array(upTo(5, 2), { minLength: 1, maxLength: 3 }),
      affine,
      eps,
    });
    return checkFamily(
      family(geometry, ({ leading, sizes, affine, eps }, N, draw) => ({
        inputs: [
          draw.uniform([N, ...leading, ...sizes]),
          ...[0, 1].slice(0, count(affine)).map(() => draw.uniform(sizes)),
        ],
        wrt: wrt(affine),
        build: (x) => F.layerNorm(x[0]!, sizes.length === 1 ? sizes[0]! : sizes, { ...options(x), eps }),
        smooth: eps > 1e-3,
        torch: `F.layer_norm(x[0], [${sizes}], *x[1:], eps=${eps})`,
      })),
    );
  });

  it("instanceNorm over the pixels of each channel", () => {
    const geometry = fc.record({
      channels: upTo(4),
      pixels: fc.array(upTo(5, 2), { minLength: 1, maxLength: 2 }),
      affine,
      eps,
    });
    return checkFamily(
      family(geometry, ({ channels, pixels, affine, eps }, N, draw) => ({
        inputs: [
          draw.uniform([N, channels, ...pixels]),
          ...[0, 1].slice(0, count(affine)).map(() => draw.uniform([channels])),
        ],
        wrt: wrt(affine),
        build: (x) => F.instanceNorm(x[0]!, { ...options(x), eps }),
        // few pixels that are nearly equal bend too much for finite differences
        smooth: eps > 1e-3,
        torch: `F.instance_norm(x[0], None, None, *x[1:], eps=${eps})`,
      })),
    );
  });

  it("groupNorm over groups of channels", () => {
    const geometry = fc.record({
      groups: upTo(3),
      each: upTo(3, 2),
      pixels: fc.array(upTo(4), { maxLength: 2 }),
      affine,
      eps,
    });
    return checkFamily(
      family(geometry, ({ groups, each, pixels, affine, eps }, N, draw) => ({
        inputs: [
          draw.uniform([N, groups * each, ...pixels]),
          ...[0, 1].slice(0, count(affine)).map(() => draw.uniform([groups * each])),
        ],
        wrt: wrt(affine),
        build: (x) => F.groupNorm(x[0]!, groups, { ...options(x), eps }),
        smooth: eps > 1e-3,
        torch: `F.group_norm(x[0], ${groups}, *x[1:], eps=${eps})`,
      })),
    );
  });
});
