/** Adaptive and power-average pooling, and transposed convolution, against PyTorch. */
import fc from "fast-check";
import { describe, it } from "vitest";
import { F } from "../../src/nn/index.ts";
import { family, RUNS } from "../support/family.ts";
import { checkFamily } from "../support/gradients.ts";

const upTo = (max: number, min = 0) => fc.integer({ min, max });
const pairOf = <T>(item: fc.Arbitrary<T>) => fc.tuple(item, item);

describe("pooling", () => {
  it("adaptiveMaxPool2d gives any size from any size, and the gradient to the first of equal elements", () => {
    const size = fc.option(upTo(8, 1));
    const geometry = fc.record({
      shape: fc.tuple(upTo(2, 1), upTo(9, 1), upTo(9, 1)),
      out: fc.oneof(upTo(8, 1), fc.tuple(size, size)),
      ties: fc.boolean(),
    });
    return checkFamily(
      family(geometry, ({ shape, out, ties }, N, draw) => ({
        inputs: [ties ? draw.integers([N, ...shape]) : draw.spaced([N, ...shape])],
        smooth: !ties,
        build: ([x]) => F.adaptiveMaxPool2d(x!, out),
        torch: `F.adaptive_max_pool2d(x[0], ${typeof out === "number" ? out : `(${out.map((n) => n ?? "None").join(", ")})`})`,
      })),
      3 * RUNS,
    );
  });

  it("lpPool2d takes PyTorch's options", () => {
    const geometry = fc.record({
      norm: fc.constantFrom(1, 2, 3),
      channels: upTo(3, 1),
      kernel: pairOf(upTo(3, 1)),
      stride: fc.option(pairOf(upTo(3, 1)), { nil: undefined }),
      room: pairOf(upTo(5)),
      ceilMode: fc.boolean(),
    });
    return checkFamily(
      family(geometry, ({ norm, channels, kernel, stride, room, ceilMode }, N, draw) => ({
        inputs: [draw.uniform([N, channels, kernel[0] + room[0], kernel[1] + room[1]], 0.5, 2)],
        build: ([x]) => F.lpPool2d(x!, norm, kernel, { ceilMode, ...(stride && { stride }) }),
        torch: `F.lp_pool2d(x[0], ${norm}, (${kernel}), ${stride ? `(${stride})` : "None"}, bool(${Number(ceilMode)}))`,
      })),
      2 * RUNS,
    );
  });
});

describe("transposed convolution", () => {
  it("convTranspose2d takes PyTorch's options", () => {
    const geometry = fc.record({
      groups: upTo(2, 1),
      inputs: upTo(3, 1),
      outputs: upTo(3, 1),
      size: pairOf(upTo(4, 1)),
      kernel: pairOf(upTo(4, 1)),
      stride: pairOf(upTo(3, 1)),
      dilation: pairOf(upTo(2, 1)),
      padding: pairOf(upTo(2)),
      extra: pairOf(upTo(2)),
      bias: fc.boolean(),
    });
    return checkFamily(
      family(geometry, ({ groups, inputs, outputs, size, kernel, stride, dilation, bias, ...rest }, N, draw) => {
        const axes = [0, 1] as const;
        const two = (each: (i: 0 | 1) => number) => [each(axes[0]), each(axes[1])] as const;
        const extra = two((i) => Math.min(rest.extra[i], stride[i] - 1));
        const padding = two((i) => {
          const whole = (size[i] - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 + extra[i];
          return Math.min(rest.padding[i], Math.floor((whole - 1) / 2));
        });
        const options = { groups, stride, dilation, padding, outputPadding: extra };
        return {
          inputs: [
            draw.uniform([N, inputs * groups, ...size]),
            draw.uniform([inputs * groups, outputs, ...kernel]),
            ...(bias ? [draw.uniform([outputs * groups])] : []),
          ],
          wrt: bias ? [0, 1, 2] : [0, 1],
          build: ([x, w, b]) => F.convTranspose2d(x!, w!, b, options),
          torch: `F.conv_transpose2d(*x[:2], ${bias ? "x[2]" : "None"}, (${stride}), (${padding}), (${extra}), ${groups}, (${dilation}))`,
        };
      }),
      2 * RUNS,
    );
  });
});
