import fc from "fast-check";
import { type Case, type Family, family } from "../../support/family.ts";
import { apply, py } from "./apply.ts";

const upTo = (max: number, min = 0) => fc.integer({ min, max });
export const pairOf = <T>(item: fc.Arbitrary<T>) => fc.tuple(item, item);

const channels = fc.oneof(
  // with more channels than pixels, a convolution is a product over columns
  { weight: 3, arbitrary: fc.record({ groups: fc.constantFrom(1, 1, 2, 3), inputs: upTo(6, 1), outputs: upTo(6, 1) }) },
  // a group for each channel, and whole blocks of channels, have kernels of their own
  {
    weight: 1,
    arbitrary: fc.constantFrom({ groups: 16, inputs: 1, outputs: 1 }, { groups: 16, inputs: 1, outputs: 2 }),
  },
  { weight: 1, arbitrary: fc.constantFrom({ groups: 1, inputs: 16, outputs: 32 }) },
);

/** Strides beyond the kernel, padding beyond its reach and pixels that no window meets are among them. */
const geometry = fc.record({
  channels,
  kernel: pairOf(upTo(5, 1)),
  stride: pairOf(upTo(4, 1)),
  dilation: pairOf(upTo(3, 1)),
  before: pairOf(upTo(3)),
  after: pairOf(upTo(3)),
  room: pairOf(upTo(5)),
  bias: fc.boolean(),
});

export const convolution: Record<string, Family> = {
  Conv: family(
    geometry,
    ({ channels: { groups, inputs, outputs }, kernel, stride, dilation, before, after, room, bias }, N, draw): Case => {
      const [H, W] = [0, 1].map((i) =>
        Math.max(1, dilation[i]! * (kernel[i]! - 1) + 1 - before[i]! - after[i]! + room[i]!),
      ) as [number, number];
      const x = draw.uniform([N, inputs * groups, H, W]);
      const w = draw.uniform([outputs * groups, inputs, ...kernel]);
      const b = draw.uniform([outputs * groups]);
      const pads = [...before, ...after];
      const padded = `F.pad(x[0], ${py([before[1], after[1], before[0], after[0]])})`;
      return {
        inputs: bias ? [x, w, b] : [x, w],
        wrt: bias ? [0, 1, 2] : [0, 1],
        build: apply("Conv", { kernel_shape: kernel, strides: stride, dilations: dilation, pads, group: groups }),
        torch: `F.conv2d(${padded}, *x[1:], stride=${py(stride)}, dilation=${py(dilation)}, groups=${groups})`,
      };
    },
  ),
  ConvTranspose: family(
    fc.record({ geometry, extra: pairOf(upTo(3)) }),
    (
      {
        geometry: {
          channels: { groups, inputs, outputs },
          kernel,
          stride,
          dilation,
          before,
          after,
          room,
          bias,
        },
        extra,
      },
      N,
      draw,
    ) => {
      const added = [0, 1].map((i) => extra[i]! % stride[i]!);
      const full = (i: 0 | 1, size: number) => (size - 1) * stride[i] + dilation[i] * (kernel[i] - 1) + 1 + added[i]!;
      const [H, W] = ([0, 1] as const).map((i) => {
        let size = room[i]! + 1;
        while (full(i, size) <= before[i] + after[i]) size++;
        return size;
      }) as [number, number];
      const x = draw.uniform([N, inputs * groups, H, W]);
      const w = draw.uniform([inputs * groups, outputs, ...kernel]);
      const b = draw.uniform([outputs * groups]);
      const crop = ([0, 1] as const).map((i) => `${before[i]}:${full(i, [H, W][i]!) - after[i]}`);
      const options = `stride=${py(stride)}, dilation=${py(dilation)}, groups=${groups}, output_padding=${py(added)}`;
      return {
        inputs: bias ? [x, w, b] : [x, w],
        wrt: bias ? [0, 1, 2] : [0, 1],
        build: apply("ConvTranspose", {
          kernel_shape: kernel,
          strides: stride,
          dilations: dilation,
          pads: [...before, ...after],
          output_padding: added,
          group: groups,
        }),
        torch: `F.conv_transpose2d(x[0], *x[1:], ${options})[:, :, ${crop.join(", ")}]`,
      };
    },
  ),
};
