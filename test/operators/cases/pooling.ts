import fc from "fast-check";
import { type Case, type Family, family } from "../../support/family.ts";
import { apply, py } from "./apply.ts";
import { pairOf } from "./convolution.ts";

const upTo = (max: number, min = 0) => fc.integer({ min, max });

const windows = fc.record({
  channels: upTo(3, 1),
  kernel: pairOf(upTo(4, 1)),
  stride: pairOf(upTo(4, 1)),
  dilation: pairOf(upTo(2, 1)),
  before: pairOf(upTo(2)),
  after: pairOf(upTo(2)),
  room: pairOf(upTo(6)),
  ceil: fc.boolean(),
});

type Windows = typeof windows extends fc.Arbitrary<infer T> ? T : never;

/** Padding within half the kernel, as PyTorch demands, and an input that the window fits. */
function fitted({ kernel, stride, dilation, before, after, room, ceil }: Windows, dilated: boolean) {
  const axes = ([0, 1] as const).map((i) => {
    const half = Math.min(before[i], Math.floor(kernel[i] / 2));
    const end = ceil ? half : Math.min(after[i], kernel[i] - 1);
    const reach = (dilated ? dilation[i] : 1) * (kernel[i] - 1) + 1;
    // where the dilation is larger than the input, a window may meet nothing but padding
    const size = Math.max(dilated ? dilation[i] : 1, reach - half - end + room[i]);
    // PyTorch drops a last window that would start in the padding behind the input. So does ONNX Runtime when it runs, but not
    // when it infers shapes, and then fails over the difference; layers spell ceil_mode as padding for that reason.
    const steps = Math.ceil((size + 2 * half - reach) / stride[i]);
    return { half, end, size, fits: steps * stride[i] < size + half };
  }) as [Axis, Axis];
  const [h, w] = axes;
  return {
    before: [h.half, w.half],
    after: [h.end, w.end],
    size: [h.size, w.size],
    ceil: ceil && h.fits && w.fits,
  };
}

interface Axis {
  half: number;
  end: number;
  size: number;
  fits: boolean;
}

export const pooling: Record<string, Family> = {
  MaxPool: family(
    fc.record({ windows, ties: fc.boolean(), dilated: fc.boolean() }),
    ({ windows, ties, dilated }, N, draw): Case => {
      const { channels, kernel, stride } = windows;
      const { before, after, size, ceil } = fitted(windows, dilated);
      const dilation = dilated ? windows.dilation : [1, 1];
      const shape = [N, channels, ...size];
      const options = `${py(kernel)}, ${py(stride)}`;
      const padded = `F.pad(x[0], ${py([before[1]!, after[1]!, before[0]!, after[0]!])}, value=-float("inf"))`;
      return {
        inputs: [ties ? draw.integers(shape) : draw.spaced(shape)],
        smooth: !ties,
        build: apply("MaxPool", {
          kernel_shape: kernel,
          strides: stride,
          pads: [...before, ...after],
          ...(dilated && { dilations: dilation }),
          ...(ceil && { ceil_mode: 1 }),
        }),
        torch: ceil
          ? `F.max_pool2d(x[0], ${options}, ${py(before)}, ${py(dilation)}, True)`
          : `F.max_pool2d(${padded}, ${options}, 0, ${py(dilation)})`,
      };
    },
  ),
  /** Back to where the winners of a MaxPool stood. */
  MaxUnpool: family(
    fc.record({ shape: fc.tuple(upTo(3, 1), upTo(9, 3), upTo(9, 3)), size: upTo(3, 1) }),
    (geometry, N, draw) => {
      const { shape, size } = geometry;
      const window = { kernel_shape: [size, size], strides: [size, size] };
      return {
        inputs: [draw.spaced([N, ...shape])],
        wrt: [],
        build: ([x]) => {
          const { ops } = x!.tracer;
          const [y, winners] = ops.emit("MaxPool", [x!.value], window);
          return x!.wrap(ops.one("MaxUnpool", [y, winners, ops.one("Shape", [x!.value])], window));
        },
        torch: `F.max_unpool2d(*F.max_pool2d(x[0], ${size}, return_indices=True), ${size}, output_size=x[0].shape)`,
      };
    },
  ),
  AveragePool: family(fc.record({ windows, include: fc.boolean() }), ({ windows, include }, N, draw): Case => {
    const { channels, kernel, stride } = windows;
    const { before, after, size, ceil } = fitted(windows, false);
    const sum = (of: string) =>
      `F.avg_pool2d(F.pad(${of}, ${py([before[1]!, after[1]!, before[0]!, after[0]!])}), ${py(kernel)}, ${py(stride)}, divisor_override=1)`;
    const count = include ? kernel[0] * kernel[1] : sum("torch.ones_like(x[0])");
    return {
      inputs: [draw.uniform([N, channels, ...size])],
      build: apply("AveragePool", {
        kernel_shape: kernel,
        strides: stride,
        pads: [...before, ...after],
        count_include_pad: include ? 1 : 0,
        ...(ceil && { ceil_mode: 1 }),
      }),
      torch: ceil
        ? `F.avg_pool2d(x[0], ${py(kernel)}, ${py(stride)}, ${py(before)}, True, ${py(include)})`
        : `${sum("x[0]")} / ${count}`,
    };
  }),
  GlobalAveragePool: family(fc.tuple(upTo(3, 1), upTo(6, 1), upTo(6, 1)), (shape, N, draw) => ({
    inputs: [draw.uniform([N, ...shape])],
    build: apply("GlobalAveragePool"),
    torch: "x[0].mean([2, 3], keepdim=True)",
  })),
  GlobalMaxPool: family(
    fc.record({ shape: fc.tuple(upTo(3, 1), upTo(6, 1), upTo(6, 1)), ties: fc.boolean() }),
    ({ shape, ties }, N, draw) => ({
      inputs: [ties ? draw.integers([N, ...shape]) : draw.spaced([N, ...shape])],
      smooth: !ties,
      build: apply("GlobalMaxPool"),
      torch: "F.adaptive_max_pool2d(x[0], 1)",
    }),
  ),
};
