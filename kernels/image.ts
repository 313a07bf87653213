/**
 * Inner loops over the pixels of images, in AssemblyScript: SIMD makes them several times as fast as JavaScript. `npm run kernels`
 * compiles this file into src/data/kernels.ts. The memory is managed by the caller; every argument that ends in "At" is an
 * address in bytes.
 *
 * Resampling is that of PIL: sums of bytes times weights of 22 bits behind the binary point, rounded and cut to a byte. A processor
 * multiplies pairs of 16-bit numbers and adds the products at once, so weights come in pairs and in halves: an i32 with the lower 11
 * bits of two weights, then one with the bits above. Both sums together are the sum of 32 bits, whatever overflows.
 */

const PRECISION: i32 = 22;
const HALF: i32 = 1 << (PRECISION - 1);
const LOWER: i32 = 11;

/**
 * Resamples one line of RGB pixels, stored one after the other: `size` output pixels at `outAt`. Output i is the sum over
 * t < counts[i] of weight t · input[starts[i] + t]; its weights begin at weightsAt + 4 · i · taps. Reads up to five bytes beyond the
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
    let low = i32x4.splat(HALF);
    let high = i32x4.splat(0);
    let pixel = at + 3 * <usize>load<i32>(startsAt + ((<usize>x) << 2));
    let weight = weightsAt + ((<usize>(x * taps)) << 2);
    const end = weight + ((<usize>load<i32>(countsAt + ((<usize>x) << 2))) << 2);
    for (; weight < end; weight += 8, pixel += 6) {
      const pixels = v128.load_ext<u8>(pixel);
      const pairs = v128.shuffle<i16>(pixels, pixels, 0, 3, 1, 4, 2, 5, 6, 7);
      low = i32x4.add(low, i32x4.dot_i16x8_s(pairs, v128.load32_splat(weight)));
      high = i32x4.add(high, i32x4.dot_i16x8_s(pairs, v128.load32_splat(weight, 4)));
    }
    const sum = rounded(low, high);
    const words = i16x8.narrow_i32x4_s(sum, sum);
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

/** Resamples rows of one channel. Reads up to one byte beyond a row. in [height, …] → out [height, size] */
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
      let sums = i32x4.splat(0);
      let pixel = row + <usize>load<i32>(startsAt + ((<usize>x) << 2));
      let weight = weightsAt + ((<usize>(x * taps)) << 2);
      const end = weight + ((<usize>load<i32>(countsAt + ((<usize>x) << 2))) << 2);
      for (; weight < end; weight += 8, pixel += 2) {
        const pair = i16x8.extend_low_i8x16_u(v128.load16_splat(pixel));
        sums = i32x4.add(sums, i32x4.dot_i16x8_s(pair, v128.load64_splat(weight)));
      }
      const sum = HALF + i32x4.extract_lane(sums, 0) + (i32x4.extract_lane(sums, 1) << LOWER);
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
  const half = i32x4.splat(HALF);
  const zero = i32x4.splat(0);
  for (let y = 0; y < size; y++) {
    const first = at + <usize>load<i32>(startsAt + ((<usize>y) << 2)) * <usize>length;
    const begin = weightsAt + ((<usize>(y * taps)) << 2);
    const end = begin + ((<usize>load<i32>(countsAt + ((<usize>y) << 2))) << 2);
    const out = outAt + <usize>y * <usize>length;
    for (let x: usize = 0; x < <usize>length; x += 16) {
      let lowA = half;
      let lowB = half;
      let lowC = half;
      let lowD = half;
      let highA = zero;
      let highB = zero;
      let highC = zero;
      let highD = zero;
      let from = first + x;
      for (let weight = begin; weight < end; weight += 8, from += 2 * <usize>length) {
        const upper = v128.load(from);
        // an odd row goes with itself and the weight 0
        const lower = v128.load(weight + 4 < end ? from + <usize>length : from);
        const left = i8x16.shuffle(upper, lower, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        const right = i8x16.shuffle(upper, lower, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        const a = i16x8.extend_low_i8x16_u(left);
        const b = i16x8.extend_high_i8x16_u(left);
        const c = i16x8.extend_low_i8x16_u(right);
        const d = i16x8.extend_high_i8x16_u(right);
        const low = v128.load32_splat(weight);
        const high = v128.load32_splat(weight, 4);
        lowA = i32x4.add(lowA, i32x4.dot_i16x8_s(a, low));
        lowB = i32x4.add(lowB, i32x4.dot_i16x8_s(b, low));
        lowC = i32x4.add(lowC, i32x4.dot_i16x8_s(c, low));
        lowD = i32x4.add(lowD, i32x4.dot_i16x8_s(d, low));
        highA = i32x4.add(highA, i32x4.dot_i16x8_s(a, high));
        highB = i32x4.add(highB, i32x4.dot_i16x8_s(b, high));
        highC = i32x4.add(highC, i32x4.dot_i16x8_s(c, high));
        highD = i32x4.add(highD, i32x4.dot_i16x8_s(d, high));
      }
      const ab = i16x8.narrow_i32x4_s(rounded(lowA, highA), rounded(lowB, highB));
      const cd = i16x8.narrow_i32x4_s(rounded(lowC, highC), rounded(lowD, highD));
      v128.store(out + x, i8x16.narrow_i16x8_u(ab, cd));
    }
  }
}

/** A sum of both halves, without what stands behind its binary point. */
function rounded(low: v128, high: v128): v128 {
  return i32x4.shr_s(i32x4.add(low, i32x4.shl(high, LOWER)), PRECISION);
}

/**
 * Looks the bytes of RGB pixels up in three tables of 256 floats, one behind the other. Pixels of a row are `step` bytes apart, which
 * may be negative, rows `stride`. in [height, width, 3] → out [3, height, width] of float32
 */
export function lookUpRgb(
  at: usize,
  stride: i32,
  step: i32,
  height: i32,
  width: i32,
  tableAt: usize,
  outAt: usize,
): void {
  const plane = (<usize>(height * width)) << 2;
  let red = outAt;
  for (let y = 0; y < height; y++) {
    let pixel = <i32>at + y * stride;
    for (let x = 0; x < width; x++) {
      const green = red + plane;
      store<f32>(red, load<f32>(tableAt + ((<usize>load<u8>(pixel)) << 2)));
      store<f32>(green, load<f32>(tableAt + ((<usize>load<u8>(pixel, 1)) << 2), 1024));
      store<f32>(green + plane, load<f32>(tableAt + ((<usize>load<u8>(pixel, 2)) << 2), 2048));
      pixel += step;
      red += 4;
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
