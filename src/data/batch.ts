/** One batch, from what it is made of. The same function runs inline and in workers, so the batches are the same. */
import { Random } from "../random.ts";
import { type Dataset, NO_LABEL, type Sample } from "./dataset.ts";
import { DataError } from "./errors.ts";
import type { Image } from "./image.ts";
import { type MixOptions, mix, oneHot } from "./mix.ts";
import type { Pipeline } from "./transforms.ts";

/** Which samples a batch has, and the position that keys its random numbers. Plain data. */
export interface BatchRequest {
  readonly epoch: number;
  /** Position in the epoch. */
  readonly index: number;
  /** Which part of the batch, if it is cut into several. */
  readonly shard?: number | undefined;
  readonly samples: Uint32Array;
}

/** What decides the random numbers of a batch. Plain data. */
export interface BatchSettings {
  readonly seed: number;
  readonly mix?: MixOptions | undefined;
}

/** A sample that could not be used. */
export interface Failure {
  readonly sample: number;
  readonly reason: string;
  readonly file?: string | undefined;
  /** Whether the data is at fault (and may be skipped), or the program. */
  readonly corrupt: boolean;
}

/** Plain data. */
export interface MadeBatch {
  readonly shape: readonly [N: number, C: number, H: number, W: number];
  readonly images: Float32Array;
  readonly labels: Int32Array;
  /** [N, K]: the targets of samples that have them, or the probabilities of the classes if batches are mixed. */
  readonly targets?: Float32Array | undefined;
  /** Which sample each row is. */
  readonly samples: Uint32Array;
  readonly failures: readonly Failure[];
}

interface Ready {
  readonly sample: number;
  readonly label: number;
  readonly target: ArrayLike<number> | undefined;
  readonly image: Image;
  readonly random: Random;
}

/** Decoded images that may wait for their transforms at once: bounds memory, and keeps a decoder's threads busy. */
const CONCURRENCY = 8;

/**
 * Reads, transforms and stacks samples; those that fail are left out and reported.
 *
 * Random numbers come from (seed, epoch, sample), those of the mixing from (seed, epoch, batch).
 */
export async function makeBatch(
  dataset: Dataset,
  pipeline: Pipeline,
  { epoch, index, shard = 0, samples }: BatchRequest,
  { seed, mix: mixing }: BatchSettings,
): Promise<MadeBatch> {
  const failures: Failure[] = [];
  const slots = new Array<Ready | undefined>(samples.length);
  const fail = (sample: number, error: unknown) => failures.push(failureOf(sample, error));
  const transform = (slot: number, given: Sample) => {
    const sample = samples[slot]!;
    const { label, target } = wanted(dataset, given);
    const random = new Random(seed, "transforms", epoch, sample);
    slots[slot] = { sample, label, target, image: pipeline.pixels(given.image, random), random };
  };
  let next = 0;
  const lane = async () => {
    while (next < samples.length) {
      const slot = next++;
      try {
        const sample = dataset.get(samples[slot]!);
        transform(slot, sample instanceof Promise ? await sample : sample);
      } catch (error) {
        fail(samples[slot]!, error);
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, lane));

  const loaded = slots.filter((slot) => slot !== undefined);
  const [C, H, W] = commonSize(loaded);
  const ready = loaded.filter(({ sample, image }) => {
    if (image.channels === C && image.height === H && image.width === W) return true;
    fail(sample, sizeError(image, [C, H, W]));
    return false;
  });

  const N = ready.length;
  const images = new Float32Array(N * C * H * W);
  const labels = Int32Array.from(ready, ({ label }) => label);
  for (const [n, { image, random }] of ready.entries()) pipeline.write(image, images, n * C * H * W, random);
  const shape = [N, C, H, W] as const;
  const mixes = mixing && ((mixing.mixup ?? 0) > 0 || (mixing.cutmix ?? 0) > 0);
  const targets = targetsOf(dataset, ready) ?? (mixes && N > 0 ? oneHot(labels, dataset.classes.length) : undefined);
  if (targets && mixes)
    mix({ images, shape, targets }, mixing!, new Random(seed, "mix", epoch, index, ...(shard > 0 ? [shard] : [])));
  failures.sort((a, b) => samples.indexOf(a.sample) - samples.indexOf(b.sample));
  return { shape, images, labels, targets, samples: Uint32Array.from(ready, ({ sample }) => sample), failures };
}

/** Label and target of a sample, checked. */
function wanted({ classes, targetSize }: Dataset, { label = NO_LABEL, target }: Sample) {
  if (targetSize === undefined) {
    if (!Number.isInteger(label) || label < 0 || label >= classes.length) {
      const remedy = target ? "; a data set whose samples have a `target` needs a `targetSize`" : "";
      throw new DataError(`label ${label} is not one of the ${classes.length} classes${remedy}`);
    }
    return { label, target: undefined };
  }
  if (target?.length !== targetSize)
    throw new DataError(`a target of ${targetSize} numbers is needed, but the sample has ${target?.length ?? "none"}`);
  for (let i = 0; i < targetSize; i++)
    if (!Number.isFinite(target[i])) throw new DataError(`number ${i} of the target is ${target[i]}`);
  return { label, target };
}

/** The targets of samples as rows [N, K]. */
function targetsOf({ targetSize }: Dataset, ready: readonly Ready[]): Float32Array | undefined {
  if (targetSize === undefined || ready.length === 0) return undefined;
  const targets = new Float32Array(ready.length * targetSize);
  for (const [n, { target }] of ready.entries()) targets.set(target!, n * targetSize);
  return targets;
}

function failureOf(sample: number, error: unknown): Failure {
  if (error instanceof DataError) return { sample, reason: error.reason, file: error.file, corrupt: true };
  return { sample, reason: error instanceof Error ? (error.stack ?? error.message) : String(error), corrupt: false };
}

/** The size that most images of a batch have; the earlier one of equals. */
function commonSize(ready: readonly Ready[]): readonly [C: number, H: number, W: number] {
  const counts = new Map<string, { size: readonly [number, number, number]; count: number }>();
  for (const { image } of ready) {
    const size = [image.channels, image.height, image.width] as const;
    const entry = counts.get(size.join()) ?? { size, count: 0 };
    counts.set(size.join(), entry);
    entry.count++;
  }
  let most = { size: [0, 0, 0] as readonly [number, number, number], count: 0 };
  for (const entry of counts.values()) if (entry.count > most.count) most = entry;
  return most.size;
}

function sizeError({ channels, height, width }: Image, [C, H, W]: readonly [number, number, number]): DataError {
  return new DataError(
    `after its transforms the image is ${height}×${width} with ${channels} channels, but others of its batch are ` +
      `${H}×${W} with ${C}; end the transforms with a resize to [height, width] or a crop`,
  );
}
