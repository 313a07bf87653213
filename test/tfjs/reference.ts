/** What layers compute, from Keras' and TensorFlow's documentation, pixel by pixel over [N, H, W, C]. */
import type { Tf } from "./support.ts";

type Images = readonly [N: number, H: number, W: number, C: number];

/** An image tensor by its pixels. */
function build([N, H, W, C]: Images, pixel: (n: number, h: number, w: number, c: number) => number): Tf {
  const data = new Float32Array(N * H * W * C);
  let i = 0;
  for (let n = 0; n < N; n++)
    for (let h = 0; h < H; h++) for (let w = 0; w < W; w++) for (let c = 0; c < C; c++) data[i++] = pixel(n, h, w, c);
  return { shape: [N, H, W, C], data };
}

const sizes = ({ shape }: Tf) => shape as unknown as Images;

/** A pixel; undefined outside of the image. */
function at({ shape, data }: Tf, n: number, h: number, w: number, c: number): number | undefined {
  const [, H, W, C] = shape as unknown as Images;
  return h < 0 || w < 0 || h >= H || w >= W ? undefined : data[((n * H + h) * W + w) * C + c];
}

export interface Geometry {
  readonly kernel: readonly [number, number];
  readonly stride?: number;
  readonly dilation?: number;
  readonly same?: boolean;
}

/** TensorFlow's rule: "same" gives ceil(size / stride) pixels, and has less padding before than after. */
function axis(size: number, k: number, { stride = 1, dilation = 1, same = false }: Geometry) {
  const reach = (k - 1) * dilation + 1;
  const out = same ? Math.ceil(size / stride) : Math.ceil((size - reach + 1) / stride);
  const total = same ? Math.max((out - 1) * stride + reach - size, 0) : 0;
  return { out, before: Math.floor(total / 2) };
}

/** What a window sees at each place: `read(kh, kw, channel)` gives undefined in the padding. */
function slide(
  x: Tf,
  outC: number,
  geometry: Geometry,
  compute: (read: (kh: number, kw: number, c: number) => number | undefined, c: number) => number,
): Tf {
  const [N, H, W] = sizes(x);
  const { kernel, stride = 1, dilation = 1 } = geometry;
  const [rows, columns] = [axis(H, kernel[0], geometry), axis(W, kernel[1], geometry)];
  return build([N, rows.out, columns.out, outC], (n, h, w, o) =>
    compute(
      (kh, kw, c) => at(x, n, h * stride - rows.before + kh * dilation, w * stride - columns.before + kw * dilation, c),
      o,
    ),
  );
}

function overWindow([kH, kW]: readonly [number, number], visit: (kh: number, kw: number) => void) {
  for (let kh = 0; kh < kH; kh++) for (let kw = 0; kw < kW; kw++) visit(kh, kw);
}

/** Kernel [kH, kW, C, O]. */
export function conv2d(x: Tf, kernel: Tf, geometry: Omit<Geometry, "kernel"> = {}, bias?: Tf): Tf {
  const [kH, kW, C, O] = sizes(kernel);
  return slide(x, O, { ...geometry, kernel: [kH, kW] }, (read, o) => {
    let sum = bias?.data[o] ?? 0;
    overWindow([kH, kW], (kh, kw) => {
      for (let c = 0; c < C; c++) sum += (read(kh, kw, c) ?? 0) * kernel.data[((kh * kW + kw) * C + c) * O + o]!;
    });
    return sum;
  });
}

/** Kernel [kH, kW, C, M]; output channel c·M + m. */
export function depthwise(x: Tf, kernel: Tf, geometry: Omit<Geometry, "kernel"> = {}, bias?: Tf): Tf {
  const [kH, kW, C, M] = sizes(kernel);
  return slide(x, C * M, { ...geometry, kernel: [kH, kW] }, (read, o) => {
    const [c, m] = [Math.floor(o / M), o % M];
    let sum = bias?.data[o] ?? 0;
    overWindow([kH, kW], (kh, kw) => {
      sum += (read(kh, kw, c) ?? 0) * kernel.data[((kh * kW + kw) * C + c) * M + m]!;
    });
    return sum;
  });
}

/** Kernel [kH, kW, O, C]: the gradient of the convolution that has this one's output as its input. */
export function convTranspose(x: Tf, kernel: Tf, stride: number, same: boolean): Tf {
  const [N, H, W, C] = sizes(x);
  const [kH, kW, O] = sizes(kernel);
  const outSize = (size: number, k: number) => (same ? size * stride : size * stride + Math.max(k - stride, 0));
  const [outH, outW] = [outSize(H, kH), outSize(W, kW)];
  const y = build([N, outH, outW, O], () => 0);
  const [rows, columns] = [
    axis(outH, kH, { kernel: [kH, kW], stride, same }),
    axis(outW, kW, { kernel: [kH, kW], stride, same }),
  ]; // prettier-ignore
  for (let n = 0; n < N; n++)
    for (let h = 0; h < H; h++)
      for (let w = 0; w < W; w++)
        overWindow([kH, kW], (kh, kw) => {
          const [r, q] = [h * stride - rows.before + kh, w * stride - columns.before + kw];
          if (r < 0 || q < 0 || r >= outH || q >= outW) return;
          for (let o = 0; o < O; o++)
            for (let c = 0; c < C; c++)
              y.data[((n * outH + r) * outW + q) * O + o]! +=
                at(x, n, h, w, c)! * kernel.data[((kh * kW + kw) * O + o) * C + c]!;
        });
  return y;
}

export const pool = (x: Tf, kind: "max" | "average", geometry: Geometry): Tf =>
  slide(x, sizes(x)[3], geometry, (read, c) => {
    const seen: number[] = [];
    overWindow(geometry.kernel, (kh, kw) => {
      const value = read(kh, kw, c);
      if (value !== undefined) seen.push(value);
    });
    return kind === "max" ? Math.max(...seen) : seen.reduce((a, b) => a + b, 0) / seen.length;
  });

/** Pixels that come from others: of images of another size, padded, or cut. */
export const pixels = (x: Tf, H: number, W: number, from: (h: number, w: number) => readonly [number, number]): Tf =>
  build([x.shape[0]!, H, W, x.shape[3]!], (n, h, w, c) => at(x, n, ...from(h, w), c) ?? 0);

/** Bilinear resizing whose pixel o comes from o · in / out. */
export function bilinear(x: Tf, H: number, W: number): Tf {
  const [N, inH, inW, C] = sizes(x);
  return build([N, H, W, C], (n, h, w, c) => {
    const [r, q] = [(h * inH) / H, (w * inW) / W];
    const [r0, q0] = [Math.floor(r), Math.floor(q)];
    const [r1, q1] = [Math.min(r0 + 1, inH - 1), Math.min(q0 + 1, inW - 1)];
    const [a, b] = [r - r0, q - q0];
    const top = at(x, n, r0, q0, c)! * (1 - b) + at(x, n, r0, q1, c)! * b;
    return top * (1 - a) + (at(x, n, r1, q0, c)! * (1 - b) + at(x, n, r1, q1, c)! * b) * a;
  });
}

/** Each number by itself; `channel` is that of the last axis. */
export const each = (x: Tf, f: (value: number, channel: number, i: number) => number): Tf => ({
  shape: x.shape,
  data: x.data.map((value, i) => f(value, i % x.shape.at(-1)!, i)),
});

/** Kernel [I, O] over the last axis. */
export function dense(x: Tf, kernel: Tf, bias?: Tf): Tf {
  const [I, O] = kernel.shape as readonly [number, number];
  const rows = x.data.length / I;
  const data = new Float32Array(rows * O);
  for (let r = 0; r < rows; r++)
    for (let o = 0; o < O; o++) {
      let sum = bias?.data[o] ?? 0;
      for (let i = 0; i < I; i++) sum += x.data[r * I + i]! * kernel.data[i * O + o]!;
      data[r * O + o] = sum;
    }
  return { shape: [...x.shape.slice(0, -1), O], data };
}

export function softmax(x: Tf): Tf {
  const C = x.shape.at(-1)!;
  return each(x, (value, channel, i) => {
    const row = x.data.subarray(i - channel, i - channel + C);
    return Math.exp(value) / row.reduce((sum, other) => sum + Math.exp(other), 0);
  });
}

export const batchNorm = (x: Tf, [gamma, beta, mean, variance]: readonly Tf[], epsilon: number): Tf =>
  each(
    x,
    (value, c) =>
      (gamma?.data[c] ?? 1) * ((value - mean!.data[c]!) / Math.sqrt(variance!.data[c]! + epsilon)) +
      (beta?.data[c] ?? 0),
  ); // prettier-ignore

/** Joins channels. */
export const concat = (x: Tf, y: Tf): Tf =>
  build([x.shape[0]!, x.shape[1]!, x.shape[2]!, x.shape[3]! + y.shape[3]!], (n, h, w, c) =>
    c < x.shape[3]! ? at(x, n, h, w, c)! : at(y, n, h, w, c - x.shape[3]!)!,
  );

/** The mean or maximum of each channel: [N, C]. */
export function globalPool(x: Tf, kind: "max" | "average"): Tf {
  const [N, H, W, C] = sizes(x);
  const y = pool(x, kind, { kernel: [H, W] });
  return { shape: [N, C], data: y.data };
}

export const reshape = ({ data }: Tf, shape: readonly number[]): Tf => ({ shape, data });
