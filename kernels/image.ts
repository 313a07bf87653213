/**
 * Inner loops over the pixels of images, in AssemblyScript: SIMD makes them several times as fast as JavaScript. `npm run kernels`
 * compiles this file into src/data/kernels.ts. The memory is managed by the caller; every argument that ends in "At" is an
 * address in bytes.
 *
 * Resampling is that of PIL: sums of bytes times weights of 22 bits behind the binary point, rounded and cut to a byte.
 */

const PRECISION: i32 = 22;
const HALF: i32 = 1 << (PRECISION - 1);

/**
 * Resamples one line of RGB pixels, stored one after the other: `size` output pixels at `outAt`. Output i is the sum over
 * t < counts[i] of weights[i · taps + t] · input[starts[i] + t]. Reads up to one byte beyond the
 * line, and writes one beyond its output.
 */
function rgbLine(
  at: usize,
  startsAt: usize,
  countsAt: usize,
  weightsAt: usize,
  taps: i32,
  size: i32,
  outAt: usize,
): void {
  for (let x = 0; x < size; x++) {
    let sum = i32x4.splat(HALF);
    let pixel = at + 3 * <usize>load<i32>(startsAt + ((<usize>x) << 2));
    let weight = weightsAt + ((<usize>(x * taps)) << 2);
    const end = weight + ((<usize>load<i32>(countsAt + ((<usize>x) << 2))) << 2);
    for (; weight < end; weight += 4, pixel += 3) {
      const rgb = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(pixel)));
      sum = i32x4.add(sum, i32x4.mul(rgb, v128.load32_splat(weight)));
    }
    const words = i16x8.narrow_i32x4_s(i32x4.shr_s(sum, PRECISION), sum);
    v128.store_lane<i32>(outAt + 3 * <usize>x, i8x16.narrow_i16x8_u(words, words), 0);
  }
}

/** Resamples rows of RGB pixels; rows are `stride` bytes apart. in [height, …, 3] → out [height, size, 3] */
export function rgbRows(
  at: usize,
  stride: usize,
  height: i32,
  startsAt: usize,
  countsAt: usize,
  weightsAt: usize,
  taps: i32,
  size: i32,
  outAt: usize,
): void {
  for (let y = 0; y < height; y++)
    rgbLine(at + <usize>y * stride, startsAt, countsAt, weightsAt, taps, size, outAt + 3 * <usize>(y * size));
}

/** Resamples rows of one channel. in [height, …] → out [height, size] */
export function grayRows(
  at: usize,
  stride: usize,
  height: i32,
  startsAt: usize,
  countsAt: usize,
  weightsAt: usize,
  taps: i32,
  size: i32,
  outAt: usize,
): void {
  for (let y = 0; y < height; y++) {
    const row = at + <usize>y * stride;
    for (let x = 0; x < size; x++) {
      let sum = HALF;
      let pixel = row + <usize>load<i32>(startsAt + ((<usize>x) << 2));
      let weight = weightsAt + ((<usize>(x * taps)) << 2);
      const end = weight + ((<usize>load<i32>(countsAt + ((<usize>x) << 2))) << 2);
      for (; weight < end; weight += 4, pixel++) sum += <i32>load<u8>(pixel) * load<i32>(weight);
      store<u8>(outAt + <usize>(y * size + x), <u8>max<i32>(0, min<i32>(255, sum >> PRECISION)));
    }
  }
}

/**
 * Resamples columns: each output row is a sum of input rows, `length` bytes long. Works on 16 bytes at a time, and reads and writes
 * up to 15 beyond. in [height, length] → out [size, length]
 */
export function columns(
  at: usize,
  length: i32,
  startsAt: usize,
  countsAt: usize,
  weightsAt: usize,
  taps: i32,
  size: i32,
  outAt: usize,
): void {
  for (let y = 0; y < size; y++) {
    const first = at + <usize>load<i32>(startsAt + ((<usize>y) << 2)) * <usize>length;
    const begin = weightsAt + ((<usize>(y * taps)) << 2);
    const end = begin + ((<usize>load<i32>(countsAt + ((<usize>y) << 2))) << 2);
    const out = outAt + <usize>y * <usize>length;
    for (let x: usize = 0; x < <usize>length; x += 16) {
      let a = i32x4.splat(HALF);
      let b = a;
      let c = a;
      let d = a;
      let from = first + x;
      for (let weight = begin; weight < end; weight += 4, from += <usize>length) {
        const bytes = v128.load(from);
        const factor = v128.load32_splat(weight);
        const low = i16x8.extend_low_i8x16_u(bytes);
        const high = i16x8.extend_high_i8x16_u(bytes);
        a = i32x4.add(a, i32x4.mul(i32x4.extend_low_i16x8_u(low), factor));
        b = i32x4.add(b, i32x4.mul(i32x4.extend_high_i16x8_u(low), factor));
        c = i32x4.add(c, i32x4.mul(i32x4.extend_low_i16x8_u(high), factor));
        d = i32x4.add(d, i32x4.mul(i32x4.extend_high_i16x8_u(high), factor));
      }
      const ab = i16x8.narrow_i32x4_s(i32x4.shr_s(a, PRECISION), i32x4.shr_s(b, PRECISION));
      const cd = i16x8.narrow_i32x4_s(i32x4.shr_s(c, PRECISION), i32x4.shr_s(d, PRECISION));
      v128.store(out + x, i8x16.narrow_i16x8_u(ab, cd));
    }
  }
}

/**
 * Looks bytes up in a table of 256 floats. The pixels of a row are `step` bytes apart, which may be negative, rows `stride`.
 * in [height, width] → out [height, width] of float32
 */
export function lookUp(at: usize, stride: i32, step: i32, height: i32, width: i32, tableAt: usize, outAt: usize): void {
  let out = outAt;
  for (let y = 0; y < height; y++) {
    let pixel = <i32>at + y * stride;
    for (let x = 0; x < width; x++) {
      store<f32>(out, load<f32>(tableAt + ((<usize>load<u8>(pixel)) << 2)));
      pixel += step;
      out += 4;
    }
  }
}
