/** How images are prepared for a network whose files do not say it. */
import { NORMALIZATION, type Transform } from "../data/index.ts";
import { check } from "../graph/index.ts";

/** What someone knows of how images are prepared. What is left out stays as it is. */
export interface ToldPreprocessing {
  /** Subtracted from each channel after scaling; one number for all channels, or one for each. Default 0. */
  readonly mean?: readonly number[] | undefined;
  /** Divides each channel. Default 1. */
  readonly std?: readonly number[] | undefined;
  /** What pixels of 0 to 255 are multiplied by first. Default 1/255. */
  readonly scale?: number | undefined;
  /** Channels in the order blue, green, red, as OpenCV and Caffe have them. */
  readonly bgr?: boolean | undefined;
  /** 255 − pixel: white on black instead of black on white. */
  readonly invert?: boolean | undefined;
  /** Gray images, also for a network of three channels. */
  readonly gray?: boolean | undefined;
  /** Pixels of the shorter side, or [height, width]. */
  readonly resize?: number | readonly [number, number] | undefined;
  /** Pixels of a center crop: a side, or [height, width]. */
  readonly crop?: number | readonly [number, number] | undefined;
  readonly interpolation?: "bilinear" | "bicubic" | undefined;
}

type Step<K extends string> = Extract<Transform, Readonly<Record<K, unknown>>>;

const isStep = <K extends string>(step: Transform, name: K): step is Step<K> =>
  typeof step === "object" && name in step;
const isNamed = (step: Transform, name: string) => step === name || (typeof step === "object" && name in step);

/**
 * Preprocessing with what was told in place of what was recorded or assumed.
 *
 *     preprocess(imagenetPreprocessing(), { mean: [103.9, 116.8, 123.7], scale: 1, bgr: true }); // Caffe's
 *
 * Throws where a mean or deviation does not go with the channels.
 */
export function preprocess(
  steps: readonly Transform[],
  told: ToldPreprocessing,
  channels: 1 | 3 = 3,
): readonly Transform[] {
  const normalize = normalization(told, channels) ?? steps.find((step) => isNamed(step, "normalize"));
  check(
    !told.bgr || channels === 3,
    () => "preprocessing: the network takes gray images, which have no order of colors (--bgr)",
  );
  const has = (name: string) => steps.some((step) => isNamed(step, name));
  const others = steps.filter((step) => !REPLACED.some((name) => isNamed(step, name)));
  const isLast = (step: Transform) => isNamed(step, "randomErasing");
  return [
    ...sizes(steps, told),
    ...others.filter((step) => !isLast(step)),
    // gray images of a network of one channel are decoded so
    ...((told.gray || has("grayscale")) && channels === 3 ? [{ grayscale: { numOutputChannels: 3 } } as const] : []),
    ...(told.invert || has("invert") ? ["invert" as const] : []),
    ...(told.bgr || has("bgr") ? ["bgr" as const] : []),
    "toTensor",
    ...(normalize ? [normalize] : []),
    ...others.filter(isLast),
  ];
}

/** Steps that have their place in the result. */
const REPLACED = ["resize", "centerCrop", "grayscale", "invert", "bgr", "toTensor", "normalize"];

/** (x · scale − mean) / std as a step on numbers of [0, 1]; undefined if nothing of it is told. */
function normalization({ mean, std, scale }: ToldPreprocessing, channels: number): Transform | undefined {
  if (mean === undefined && std === undefined && scale === undefined) return undefined;
  check(scale === undefined || scale > 0, () => `preprocessing: scale has to be above 0, got ${scale}`);
  for (const [name, values] of Object.entries({ mean, std }))
    check(
      values === undefined || values.length === 1 || values.length === channels,
      () =>
        `preprocessing: ${name} has ${values!.length} numbers, but the network takes ${channels} channel${channels === 1 ? "" : "s"}`,
    );
  check(!std?.some((value) => !(value > 0)), () => `preprocessing: every std has to be above 0, got ${std}`);
  const largest = 255 * (scale ?? 1 / 255);
  const each = (values: readonly number[]) => values.map((value) => value / largest);
  return { normalize: { mean: each(mean ?? [0]), std: each(std ?? [1]) } };
}

function sizes(steps: readonly Transform[], { resize, crop, interpolation }: ToldPreprocessing): Transform[] {
  const before = steps.find((step) => isStep(step, "resize"));
  const cropped = steps.find((step) => isStep(step, "centerCrop"));
  const size = resize ?? before?.resize.size;
  const kept = crop ?? (typeof resize === "object" ? undefined : cropped?.centerCrop.size);
  return [
    ...(size === undefined ? [] : [{ resize: { ...before?.resize, size, ...(interpolation && { interpolation }) } }]),
    ...(kept === undefined ? [] : [{ centerCrop: { size: kept } }]),
  ];
}

/** A usual way to prepare images, with what to tell for it. */
export interface UsualPreprocessing {
  readonly name: string;
  readonly told: ToldPreprocessing;
}

const RANGES: readonly UsualPreprocessing[] = [
  { name: "0 to 1", told: { scale: 1 / 255 } },
  { name: "−1 to 1", told: { mean: [0.5], std: [0.5] } },
  { name: "0 to 255", told: { scale: 1 } },
];

const known = (name: keyof typeof NORMALIZATION): UsualPreprocessing => ({
  name: `mean and deviation of ${name}`,
  told: NORMALIZATION[name],
});

const also = (list: readonly UsualPreprocessing[], name: string, told: ToldPreprocessing): UsualPreprocessing[] =>
  list.map((one) => ({ name: `${one.name}, ${name}`, told: { ...one.told, ...told } }));

/** The usual ways to prepare images of so many channels. */
export function usualPreprocessing(channels: 1 | 3): readonly UsualPreprocessing[] {
  if (channels === 1) {
    const gray = [...RANGES, known("mnist"), known("fashion-mnist")];
    return [...gray, ...also(gray.slice(0, 4), "inverted", { invert: true })];
  }
  const rgb = [...RANGES, known("imagenet"), known("cifar10")];
  const caffe = {
    name: "Caffe: 0 to 255 less ImageNet's mean, BGR",
    told: { mean: [103.939, 116.779, 123.68], scale: 1, bgr: true },
  }; // prettier-ignore
  return [
    ...rgb,
    caffe,
    ...also(rgb.slice(0, 4), "BGR", { bgr: true }),
    ...also(rgb.slice(0, 1), "inverted", { invert: true }),
  ]; // prettier-ignore
}

/** A way to prepare images and how well the network does with it. */
export interface ScoredPreprocessing extends UsualPreprocessing {
  /** Share of images whose likeliest class is right. */
  readonly top1: number;
  readonly loss: number;
}

/**
 * The ways from the best to the worst: by top-1, and by the loss among those that are within two standard errors of the best. `tied`
 * are those that cannot be told apart from the first.
 */
export function ranked(scores: readonly ScoredPreprocessing[], images: number) {
  const best = Math.max(...scores.map(({ top1 }) => top1));
  const error = Math.sqrt((best * (1 - best)) / images) + 0.5 / images;
  const isClose = ({ top1 }: ScoredPreprocessing) => top1 >= best - 2 * error;
  const loss = ({ loss }: ScoredPreprocessing) => (Number.isFinite(loss) ? loss : Number.POSITIVE_INFINITY);
  const close = scores.filter(isClose).sort((a, b) => loss(a) - loss(b));
  const far = scores.filter((score) => !isClose(score)).sort((a, b) => b.top1 - a.top1);
  const [winner] = close;
  const tied = close.slice(1).filter((other) => loss(other) <= loss(winner!) * 1.1);
  return { order: [...close, ...far], winner: winner!, tied };
}
