/** Transforms of whole batches: each sample is mixed with the one before it in the batch. */
import type { Random } from "../random.ts";

/** Options of MixUp and CutMix, which mix the images of a batch. */
export interface MixOptions {
  /** α of MixUp (Zhang et al. 2018); 0 by default: none. */
  readonly mixup?: number | undefined;
  /** α of CutMix (Yun et al. 2019); 0 by default: none. With both, each batch gets one of them at random. */
  readonly cutmix?: number | undefined;
  /** Probability that a batch is mixed at all. */
  readonly p?: number | undefined;
}

/** Images [N, C, H, W] and the probability of each class, [N, K]. */
export interface Mixable {
  readonly images: Float32Array;
  readonly shape: readonly [N: number, C: number, H: number, W: number];
  readonly targets: Float32Array;
}

/** Labels [N] as probabilities [N, classes]. */
export function oneHot(labels: Int32Array, classes: number): Float32Array {
  const targets = new Float32Array(labels.length * classes);
  for (const [n, label] of labels.entries()) targets[n * classes + label] = 1;
  return targets;
}

/** Mixes a batch in place, at random. */
export function mix(
  batch: Mixable,
  { mixup: mixupAlpha = 0, cutmix: cutmixAlpha = 0, p = 1 }: MixOptions,
  random: Random,
) {
  const choices = [
    { apply: () => mixup(batch, beta(random, mixupAlpha)), alpha: mixupAlpha },
    { apply: () => cutmix(batch, cutmixBox(batch.shape, beta(random, cutmixAlpha), random)), alpha: cutmixAlpha },
  ].filter(({ alpha }) => alpha > 0);
  if (choices.length > 0 && random.uniform() < p) choices[random.integer(choices.length)]!.apply();
}

/** x ← λ·x + (1 − λ)·(the sample before), and so the targets. */
export function mixup({ images, shape, targets }: Mixable, lambda: number): void {
  blendWithPrevious(images, shape[0], lambda);
  blendWithPrevious(targets, shape[0], lambda);
}

export interface CutBox {
  readonly top: number;
  readonly left: number;
  readonly bottom: number;
  readonly right: number;
}

/** A box of the sample before is pasted in; the targets follow the areas. */
export function cutmix({ images, shape, targets }: Mixable, { top, left, bottom, right }: CutBox): void {
  const [N, C, H, W] = shape;
  const size = C * H * W;
  const paste = (from: Float32Array, n: number) => {
    for (let c = 0; c < C; c++) {
      for (let y = top; y < bottom; y++) {
        const row = (c * H + y) * W;
        images.set(from.subarray(row + left, row + right), n * size + row + left);
      }
    }
  };
  const last = images.slice((N - 1) * size);
  for (let n = N - 1; n > 0; n--) paste(images.subarray((n - 1) * size, n * size), n);
  paste(last, 0);
  blendWithPrevious(targets, N, 1 - ((right - left) * (bottom - top)) / (W * H));
}

/** The box of CutMix: its area is 1 − λ of the image, its center uniform, cut at the border. */
export function cutmixBox([, , H, W]: Mixable["shape"], lambda: number, random: Random): CutBox {
  const x = random.integer(W);
  const y = random.integer(H);
  const half = 0.5 * Math.sqrt(1 - lambda);
  const [halfW, halfH] = [Math.trunc(half * W), Math.trunc(half * H)];
  return {
    top: Math.max(0, y - halfH),
    left: Math.max(0, x - halfW),
    bottom: Math.min(H, y + halfH),
    right: Math.min(W, x + halfW),
  };
}

/** Row n of N becomes λ·row n + (1 − λ)·row n − 1; the row before the first is the last. */
function blendWithPrevious(values: Float32Array, N: number, lambda: number): void {
  const size = values.length / N;
  const last = values.slice((N - 1) * size);
  for (let i = values.length - 1; i >= 0; i--) {
    const previous = i < size ? last[i]! : values[i - size]!;
    values[i] = lambda * values[i]! + (1 - lambda) * previous;
  }
}

/** A random number of Beta(α, α), as a ratio of two gamma variables. */
export function beta(random: Random, alpha: number): number {
  const a = gamma(random, alpha);
  const b = gamma(random, alpha);
  // For a tiny α both can underflow to 0; the distribution is then all but a coin.
  return a + b > 0 ? a / (a + b) : Math.round(random.uniform());
}

/** A random number of Gamma(α, 1). Source: Marsaglia and Tsang 2000, with their boost for α < 1. */
function gamma(random: Random, alpha: number): number {
  if (alpha < 1) return gamma(random, alpha + 1) * (1 - random.uniform()) ** (1 / alpha);
  const d = alpha - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.normal();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random.uniform()) < 0.5 * x * x + d * (1 - v + Math.log(v))) return d * v;
  }
}
