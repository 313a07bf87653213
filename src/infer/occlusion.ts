/** Windows that slide over an image. */
export interface Windows {
  /** Side in pixels. */
  readonly size: number;
  /** Corners of the windows, rows first. */
  readonly corners: readonly (readonly [top: number, left: number])[];
}

/** Positions along a side of `length` pixels; the last window ends where the side ends. */
function positions(length: number, size: number, stride: number): number[] {
  const count = Math.max(0, Math.ceil((length - size) / stride)) + 1;
  return Array.from({ length: count }, (_, i) => Math.max(0, Math.min(i * stride, length - size)));
}

/** All windows of an image [H, W]. */
export function windowsOf([H, W]: readonly [number, number], size: number, stride: number): Windows {
  const lefts = positions(W, size, stride);
  return { size, corners: positions(H, size, stride).flatMap((top) => lefts.map((left) => [top, left] as const)) };
}

/** Fills a window of an image [C, H, W] with one number. */
export function cover(
  image: Float32Array,
  [C, H, W]: readonly [number, number, number],
  { size, corner: [top, left], fill }: { size: number; corner: readonly [number, number]; fill: number },
): void {
  for (let c = 0; c < C; c++)
    for (let y = top; y < Math.min(H, top + size); y++)
      image.fill(fill, (c * H + y) * W + left, (c * H + y) * W + Math.min(W, left + size));
}

/** For each pixel the mean drop of the windows that cover it: [H, W] */
export function meanDrops(
  [H, W]: readonly [number, number],
  { size, corners }: Windows,
  drops: ArrayLike<number>,
): Float32Array {
  const [sum, count] = [new Float32Array(H * W), new Float32Array(H * W)];
  corners.forEach(([top, left], i) => {
    for (let y = top; y < Math.min(H, top + size); y++)
      for (let x = left; x < Math.min(W, left + size); x++) {
        sum[y * W + x]! += drops[i]!;
        count[y * W + x]! += 1;
      }
  });
  return sum.map((value, i) => value / (count[i] || 1));
}
