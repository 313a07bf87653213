import fc from "fast-check";
import { tensor } from "../../../src/graph/index.ts";
import { type Case, type Family, family } from "../../support/family.ts";
import { apply, py } from "./apply.ts";
import { pairOf } from "./convolution.ts";

const upTo = (max: number, min = 1) => fc.integer({ min, max });

/** Block size and shape in blocks. */
const blocks = fc.record({ b: upTo(3), channels: upTo(3), size: pairOf(upTo(4)), crd: fc.boolean() });

/** How PyTorch's ways of interpolation are called in ONNX. */
const WAYS = {
  nearest: { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" },
  "nearest-exact": { mode: "nearest", coordinate_transformation_mode: "half_pixel", nearest_mode: "round_prefer_ceil" },
  bilinear: { mode: "linear", coordinate_transformation_mode: "pytorch_half_pixel" },
  aligned: { mode: "linear", coordinate_transformation_mode: "align_corners" },
} as const;

export const resampling: Record<string, Family> = {
  /** To given sizes, or by a whole scale. */
  Resize: family(
    fc.record({
      way: fc.constantFrom<keyof typeof WAYS>("nearest", "nearest-exact", "bilinear", "aligned"),
      channels: upTo(3),
      size: pairOf(upTo(5, 2)),
      out: pairOf(upTo(9, 2)),
      scale: upTo(3),
      scaled: fc.boolean(),
    }),
    ({ way, channels, size, out, scale, scaled }, N, draw): Case => {
      const target = scaled ? size.map((pixels) => pixels * scale) : out;
      const mode = way === "aligned" ? "bilinear" : way;
      const options = mode === "bilinear" ? `, align_corners=${py(way === "aligned")}` : "";
      return {
        inputs: [draw.uniform([N, channels, ...size])],
        // the sizes name that of the batch too
        batched: scaled ? [0] : [],
        build: ([x]) => {
          const { ops } = x!.tracer;
          const inputs = scaled
            ? [ops.constant(tensor("float32", [4], Float32Array.of(1, 1, scale, scale)))]
            : [undefined, ops.ints([N, channels, ...out])];
          return x!.wrap(ops.one("Resize", [x!.value, undefined, ...inputs], WAYS[way]));
        },
        torch: `F.interpolate(x[0], size=${py(target)}, mode="${mode}"${options})`,
      };
    },
  ),
  DepthToSpace: family(blocks, ({ b, channels, size, crd }, N, draw) => ({
    inputs: [draw.uniform([N, channels * b * b, ...size])],
    build: apply("DepthToSpace", { blocksize: b, mode: crd ? "CRD" : "DCR" }),
    torch: crd
      ? `F.pixel_shuffle(x[0], ${b})`
      : `x[0].reshape(${N}, ${b}, ${b}, ${channels}, *x[0].shape[2:]).permute(0, 3, 4, 1, 5, 2).reshape(${N}, ${channels}, ${size[0] * b}, ${size[1] * b})`,
  })),
  SpaceToDepth: family(blocks, ({ b, channels, size }, N, draw) => ({
    inputs: [draw.uniform([N, channels, size[0] * b, size[1] * b])],
    build: apply("SpaceToDepth", { blocksize: b }),
    torch: `x[0].reshape(${N}, ${channels}, ${size[0]}, ${b}, ${size[1]}, ${b}).permute(0, 3, 5, 1, 2, 4).reshape(${N}, ${channels * b * b}, *${py(size)})`,
  })),
};
