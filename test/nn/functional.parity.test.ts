import fc from "fast-check";
import { describe, it } from "vitest";
import { cat, F } from "../../src/nn/index.ts";
import { family, RUNS } from "../support/family.ts";
import { checkFamily } from "../support/gradients.ts";

const upTo = (max: number, min = 0) => fc.integer({ min, max });
const pairOf = <T>(item: fc.Arbitrary<T>) => fc.tuple(item, item);
const py = (value: readonly (number | null)[] | boolean) =>
  typeof value === "boolean"
    ? value
      ? "True"
      : "False"
    : `[${value.map((item) => (item === null ? "None" : item)).join(", ")}]`;

/** Any window that PyTorch takes: padding up to half the kernel, an input of at least one window. */
const pools = fc.record({
  channels: upTo(3, 1),
  kernel: pairOf(upTo(4, 1)),
  stride: fc.option(pairOf(upTo(4, 1)), { nil: undefined }),
  dilation: pairOf(upTo(2, 1)),
  padding: pairOf(upTo(2)),
  room: pairOf(upTo(6)),
  ceilMode: fc.boolean(),
});

type Pools = typeof pools extends fc.Arbitrary<infer T> ? T : never;

function fitted({ kernel, padding, room, dilation }: Pools, dilated: boolean) {
  const axes = [0, 1] as const;
  const within = axes.map((i) => Math.min(padding[i], Math.floor(kernel[i] / 2))) as [number, number];
  const size = axes.map((i) => {
    const step = dilated ? dilation[i] : 1;
    // no window may meet padding alone
    return Math.max(step, step * (kernel[i] - 1) + 1 - 2 * within[i]! + room[i]);
  });
  return { padding: within, size };
}

describe("convolution and linear", () => {
  it("conv2d takes PyTorch's options", () => {
    const geometry = fc.record({
      groups: upTo(2, 1),
      inputs: upTo(3, 1),
      outputs: upTo(3, 1),
      kernel: pairOf(upTo(4, 1)),
      stride: pairOf(upTo(3, 1)),
      dilation: pairOf(upTo(2, 1)),
      padding: fc.oneof(pairOf(upTo(3)), upTo(2), fc.constantFrom("same" as const, "valid" as const)),
      bias: fc.boolean(),
    });
    return checkFamily(
      family(geometry, ({ groups, inputs, outputs, kernel, stride, dilation, padding, bias }, N, draw) => {
        const step = padding === "same" ? ([1, 1] as const) : stride;
        const size = kernel.map((k, i) => dilation[i]! * (k - 1) + 2);
        const options = { groups, stride: step, dilation, padding };
        const given = typeof padding === "object" ? py(padding) : JSON.stringify(padding);
        return {
          inputs: [
            draw.uniform([N, inputs * groups, ...size]),
            draw.uniform([outputs * groups, inputs, ...kernel]),
            ...(bias ? [draw.uniform([outputs * groups])] : []),
          ],
          wrt: bias ? [0, 1, 2] : [0, 1],
          build: ([x, w, b]) => F.conv2d(x!, w!, b, options),
          torch: `F.conv2d(*x[:2], ${bias ? "x[2]" : "None"}, ${py(step)}, ${given}, ${py(dilation)}, ${groups})`,
        };
      }),
      2 * RUNS,
    );
  });

  it("linear takes any leading axes", () => {
    const geometry = fc.record({
      leading: fc.array(upTo(3, 1), { maxLength: 2 }),
      from: upTo(4, 1),
      to: upTo(4, 1),
      bias: fc.boolean(),
    });
    return checkFamily(
      family(geometry, ({ leading, from, to, bias }, N, draw) => ({
        inputs: [draw.uniform([N, ...leading, from]), draw.uniform([to, from]), ...(bias ? [draw.uniform([to])] : [])],
        wrt: bias ? [0, 1, 2] : [0, 1],
        build: ([x, w, b]) => F.linear(x!, w!, b),
        torch: "F.linear(*x)",
      })),
    );
  });
});

describe("batch normalization", () => {
  const geometry = fc.record({
    C: upTo(3, 1),
    pixels: fc.array(upTo(4, 2), { minLength: 1, maxLength: 2 }),
    affine: fc.boolean(),
    eps: fc.constantFrom(1e-5, 1e-2),
  });

  it("batchNorm takes running statistics, or those of the batch", () =>
    checkFamily(
      family(geometry, ({ C, pixels, affine, eps }, N, draw) => {
        const weights = affine ? "weight=x[3], bias=x[4], " : "";
        return {
          inputs: [
            draw.uniform([N, C, ...pixels]),
            draw.uniform([C]),
            draw.uniform([C], 0.5, 1.5),
            draw.uniform([C]),
            draw.uniform([C]),
          ],
          wrt: [0, 3, 4],
          build: ([x, mean, variance, weight, bias]) => {
            const options = { eps, ...(affine && { weight: weight!, bias: bias! }) };
            return [
              F.batchNorm(x!, mean, variance, options),
              F.batchNorm(x!, undefined, undefined, { ...options, training: true }),
              weight!.mul(bias!),
            ];
          },
          torch: `[F.batch_norm(x[0], x[1], x[2], ${weights}eps=${eps}), F.batch_norm(x[0], None, None, ${weights}training=True, eps=${eps}), x[3] * x[4]]`,
        };
      }),
    ));
});

describe("pooling", () => {
  it("maxPool2d takes PyTorch's options, and gives the gradient to the first of equal elements", () =>
    checkFamily(
      family(fc.record({ pools, dilated: fc.boolean(), ties: fc.boolean() }), ({ pools, dilated, ties }, N, draw) => {
        const { channels, kernel, stride, ceilMode } = pools;
        const { padding, size } = fitted(pools, dilated);
        const dilation = dilated ? pools.dilation : ([1, 1] as const);
        const shape = [N, channels, ...size];
        const options = { padding, ceilMode, dilation, ...(stride && { stride }) };
        return {
          inputs: [ties ? draw.integers(shape) : draw.spaced(shape)],
          smooth: !ties,
          build: ([x]) => F.maxPool2d(x!, kernel, options),
          torch: `F.max_pool2d(x[0], ${py(kernel)}, ${stride ? py(stride) : "None"}, ${py(padding)}, ${py(dilation)}, ${py(ceilMode)})`,
        };
      }),
      5 * RUNS,
    ));

  it("avgPool2d takes PyTorch's options", () =>
    checkFamily(
      family(fc.record({ pools, countIncludePad: fc.boolean() }), ({ pools, countIncludePad }, N, draw) => {
        const { channels, kernel, stride, ceilMode } = pools;
        const { padding, size } = fitted(pools, false);
        const options = { padding, ceilMode, countIncludePad, ...(stride && { stride }) };
        return {
          inputs: [draw.uniform([N, channels, ...size])],
          build: ([x]) => F.avgPool2d(x!, kernel, options),
          torch: `F.avg_pool2d(x[0], ${py(kernel)}, ${stride ? py(stride) : "None"}, ${py(padding)}, ${py(ceilMode)}, ${py(countIncludePad)})`,
        };
      }),
      5 * RUNS,
    ));

  it("adaptiveAvgPool2d gives any size from any size", () => {
    const size = fc.option(upTo(8, 1));
    const geometry = fc.record({
      shape: fc.tuple(upTo(2, 1), upTo(9, 1), upTo(9, 1)),
      out: fc.oneof(upTo(8, 1), fc.tuple(size, size)),
    });
    return checkFamily(
      family(geometry, ({ shape, out }, N, draw) => ({
        inputs: [draw.uniform([N, ...shape])],
        build: ([x]) => F.adaptiveAvgPool2d(x!, out),
        torch: `F.adaptive_avg_pool2d(x[0], ${typeof out === "number" ? out : `(${out.map((n) => n ?? "None").join(", ")})`})`,
      })),
      3 * RUNS,
    );
  });
});

describe("normalization", () => {
  it("localResponseNorm takes PyTorch's options", () => {
    const geometry = fc.record({
      shape: fc.tuple(upTo(7, 1), upTo(3, 1), upTo(3, 1)),
      size: fc.constantFrom(1, 3, 5),
      alpha: fc.constantFrom(1e-4, 1),
      beta: fc.constantFrom(0.5, 0.75),
      k: fc.constantFrom(1, 2),
    });
    return checkFamily(
      family(geometry, ({ shape, size, ...options }, N, draw) => ({
        inputs: [draw.uniform([N, ...shape])],
        build: ([x]) => F.localResponseNorm(x!, size, options),
        torch: `F.local_response_norm(x[0], ${size}, ${options.alpha}, ${options.beta}, ${options.k})`,
      })),
    );
  });
});

describe("tensors", () => {
  const shape = fc.tuple(upTo(4, 1), upTo(4, 1), upTo(4, 1));

  it("view and flatten keep the order of elements", () =>
    checkFamily(
      family(fc.record({ shape, start: upTo(3), span: upTo(3) }), ({ shape, start, span }, N, draw) => {
        const end = Math.min(3, start + span);
        return {
          inputs: [draw.uniform([N, ...shape])],
          build: ([x]) => [
            x!.flatten(start, end),
            x!.flatten(start, end - 4),
            x!.view(-1, shape[2], shape[0] * shape[1]),
          ],
          torch: `[x[0].flatten(${start}, ${end})] * 2 + [x[0].reshape(-1, ${shape[2]}, ${shape[0] * shape[1]})]`,
        };
      }),
    ));

  it("permute, narrow and cat move elements", () =>
    checkFamily(
      family(fc.record({ shape, start: upTo(3), length: upTo(4, 1) }), ({ shape, start, length }, N, draw) => {
        const low = start % shape[1];
        const count = Math.min(length, shape[1] - low);
        return {
          inputs: [draw.uniform([N, ...shape]), draw.uniform([N, ...shape])],
          batched: [0, 1],
          wrt: [0, 1],
          build: ([x, y]) => [x!.permute(2, 0, 3, 1), cat([x!, y!.narrow(2, low, count), x!], 2)],
          torch: `[x[0].permute(2, 0, 3, 1), torch.cat([x[0], x[1].narrow(2, ${low}, ${count}), x[0]], 2)]`,
        };
      }),
    ));

  it("arithmetic, reductions and nonlinearities", () =>
    checkFamily(
      family(shape, (shape, N, draw) => ({
        inputs: [draw.uniform([N, ...shape], 0.5, 2), draw.uniform([1, ...shape], 0.5, 2)],
        wrt: [0, 1],
        build: ([x, y]) => [
          x!.add(y!).mul(0.5).sub(1).div(y!),
          x!.neg().exp().add(x!.log()).add(x!.sqrt()).add(x!.sigmoid()).add(x!.tanh()),
          x!
            .sub(1.03)
            .relu()
            .matmul(y!.permute(0, 1, 3, 2)),
          x!.sum([1, 3]),
          x!.sum(),
          x!.mean([0], true),
          x!.mean(),
          x!.softmax(1),
          x!.logSoftmax(-1),
        ],
        torch: `[
          ((x[0] + x[1]) * 0.5 - 1) / x[1],
          (-x[0]).exp() + x[0].log() + x[0].sqrt() + x[0].sigmoid() + x[0].tanh(),
          (x[0] - 1.03).relu() @ x[1].permute(0, 1, 3, 2),
          x[0].sum([1, 3]), x[0].sum(), x[0].mean([0], keepdim=True), x[0].mean(),
          x[0].softmax(1), x[0].log_softmax(-1),
        ]`,
        // the relu
        smooth: false,
      })),
    ));
});
