/** Options that tell how images are prepared for the weights of others, and what `--preprocess auto` finds. */
import { type Command, InvalidArgumentError, Option } from "commander";
import {
  imagenetPreprocessing,
  preprocess,
  ranked,
  type ScoredPreprocessing,
  type ToldPreprocessing,
  usualPreprocessing,
} from "../classify/index.ts";
import type { Source } from "../classify/node/index.ts";
import {
  type Dataset,
  firstSample,
  parseTransforms,
  subset,
  type Transform,
  workerLoader,
} from "../data/node/index.ts";
import type { Evaluator } from "../train/index.ts";
import { note, parseNumber, printTable, UsageError } from "./support.ts";

/** What the options give. */
export type PreprocessingFlags = {
  -readonly [K in keyof ToldPreprocessing]: ToldPreprocessing[K];
};

/** One number for all channels, or one for each, separated by commas. */
function parseNumbers(text: string): number[] {
  const numbers = text.split(",").map((part) => parseNumber(part));
  if (numbers.length !== 1 && numbers.length !== 3)
    throw new InvalidArgumentError("It has to be one number, or three separated by commas.");
  return numbers;
}

/** A number, or a fraction such as 1/255. */
function parseScale(text: string): number {
  const [above = "", below = "1", ...more] = text.split("/");
  const scale = parseNumber(above) / parseNumber(below);
  if (more.length > 0 || !(scale > 0 && Number.isFinite(scale)))
    throw new InvalidArgumentError("It has to be a number above 0, such as 1 or 1/255.");
  return scale;
}

/** A side, or height×width. */
function parseSide(text: string): number | [number, number] {
  const sides = text.split(/[x×,]/).map(Number);
  const [height, width] = sides;
  if (sides.length > 2 || !sides.every((side) => Number.isInteger(side) && side > 0))
    throw new InvalidArgumentError("It has to be pixels, such as 224 or 224x160.");
  return width === undefined ? height! : [height!, width];
}

/** Adds the options that tell the preprocessing to a command. */
export function addPreprocessing(command: Command): Command {
  return command
    .option("--mean <numbers>", "mean that is subtracted after scaling: one number, or one per channel", parseNumbers)
    .option("--std <numbers>", "standard deviation that divides then", parseNumbers)
    .option(
      "--scale <factor>",
      "what pixels of 0 to 255 are multiplied by first, such as 1 (default: 1/255)",
      parseScale,
    )
    .option("--bgr", "channels in the order blue, green, red")
    .option("--invert", "invert the images: 255 − pixel")
    .option("--gray", "make the images gray")
    .option("--resize <pixels>", "resize the shorter side, or to height x width", parseSide)
    .option("--crop <pixels>", "crop the center", parseSide)
    .addOption(new Option("--interpolation <name>", "how to resize").choices(["bilinear", "bicubic"]));
}

/** Names of the options. */
export const TOLD = ["mean", "std", "scale", "bgr", "invert", "gray", "resize", "crop", "interpolation"] as const;

/** What was told; undefined if nothing was. */
export function toldBy(flags: PreprocessingFlags): ToldPreprocessing | undefined {
  const told = Object.fromEntries(TOLD.flatMap((name) => (flags[name] === undefined ? [] : [[name, flags[name]]])));
  return Object.keys(told).length === 0 ? undefined : (told as ToldPreprocessing);
}

/** `preprocess`, whose errors are those of the person at the keyboard. */
export function asTold(steps: readonly Transform[], told: ToldPreprocessing, channels: 1 | 3): readonly Transform[] {
  try {
    return preprocess(steps, told, channels);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** The steps of a training with what was told; sizes count for the validation only, as those of training are augmentation. */
export function trainedAsTold(
  { train, validation }: { readonly train: readonly unknown[]; readonly validation: readonly unknown[] },
  told: ToldPreprocessing,
  channels: 1 | 3,
) {
  const { resize: _, crop: __, interpolation: ___, ...pixels } = told;
  return {
    train: asTold(train as readonly Transform[], pixels, channels),
    validation: asTold(validation as readonly Transform[], told, channels),
  };
}

/**
 * The preprocessing to record in what is written, as JSON: what was recorded before, or is assumed for images of this size, with what
 * was told.
 */
export function recordedAsTold(
  recorded: string | undefined,
  flags: PreprocessingFlags,
  { channels, side }: { channels: number; side: number },
): string | undefined {
  const told = toldBy(flags);
  if (!told) return recorded;
  const isSized = (step: Transform) => typeof step === "object" && ("resize" in step || "centerCrop" in step);
  // of an unknown size, images are later brought to that of the network
  const assumed = imagenetPreprocessing(side > 0 ? side : undefined).filter((step) => side > 0 || !isSized(step));
  // ImageNet's mean is that of colors
  const before =
    recorded !== undefined ? parseTransforms(JSON.parse(recorded)) : channels === 1 ? assumed.slice(0, -1) : assumed; // prettier-ignore
  return JSON.stringify(asTold(before, told, channels === 1 ? 1 : 3));
}

const ASSUMED = /does not record the (preprocessing|size of images)/;

/** A network with the preprocessing that the options tell. */
export function withTold<S extends Source>(source: S, flags: PreprocessingFlags): S {
  const told = toldBy(flags);
  if (!told) return source;
  const preprocessing = asTold(source.preprocessing, told, source.channels);
  const isNormalized = told.mean !== undefined || told.std !== undefined || told.scale !== undefined;
  const isSized = told.resize !== undefined || told.crop !== undefined;
  const assumed = source.assumed.flatMap((sentence) => {
    if (!isNormalized || !ASSUMED.test(sentence)) return [sentence];
    return isSized ? [] : [sentence.replace(/the preprocessing; assuming .*, at/, "the size of images; assuming")];
  });
  return { ...source, preprocessing, assumed };
}

/** What to do if a network does not take images of the size that was assumed. */
export function withSizes(error: unknown, { assumed }: Pick<Source, "assumed">): unknown {
  const size = assumed.map((sentence) => / (\d+×\d+)\.$/.exec(sentence)?.[1]).find((found) => found !== undefined);
  if (size === undefined || !(error instanceof Error && error.message.includes("the network does not take")))
    return error;
  return new Error(
    `${error.message}\nImages are made ${size}, as no file records the size; give the right one, such as --resize 32 --crop 32`,
    { cause: error },
  );
}

/** Labelled images that `--preprocess auto` scores. */
const SCORED = 400;

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** The options that tell a preprocessing, as they are typed. */
function typed({ mean, std, scale, bgr, invert }: ToldPreprocessing): string {
  const numbers = (values: readonly number[]) => values.map((value) => Number(value.toPrecision(6))).join(",");
  return [
    ...(scale === undefined ? [] : [`--scale ${scale === 1 / 255 ? "1/255" : scale}`]),
    ...(mean ? [`--mean ${numbers(mean)}`] : []),
    ...(std ? [`--std ${numbers(std)}`] : []),
    ...(bgr ? ["--bgr"] : []),
    ...(invert ? ["--invert"] : []),
  ].join(" ");
}

/**
 * Scores the usual ways to prepare images on a few hundred images of a data set, prints them as a table on stderr, and returns the
 * steps of the best.
 */
export async function findPreprocessing(
  { preprocessing, channels, assumed }: Source,
  dataset: Dataset,
  evaluator: Evaluator,
  { workers, skipCorrupt }: { workers: number; skipCorrupt: boolean },
): Promise<readonly Transform[]> {
  const count = Math.min(SCORED, dataset.length);
  const chosen = subset(
    dataset,
    Array.from({ length: count }, (_, i) => Math.floor((i * dataset.length) / count)),
  );
  const base = isAssumed(assumed) ? await unresized(preprocessing, chosen) : preprocessing;
  const isSeveral = dataset.targetSize !== undefined;
  const scores: ScoredPreprocessing[] = [];
  for (const usual of usualPreprocessing(channels)) {
    const transforms = preprocess(base, usual.told, channels);
    const loader = workerLoader(chosen, {
      batchSize: 50,
      workers: chosen.source ? workers : 0,
      skipCorrupt,
      transforms,
    }); // prettier-ignore
    try {
      const { top1, loss, metrics } = await evaluator.evaluate(loader);
      scores.push({ ...usual, top1: isSeveral ? metrics.meanAveragePrecision! : top1, loss });
    } finally {
      await loader.close();
    }
  }
  const { order, winner, tied } = ranked(scores, count);
  note(`Usual ways to prepare images, on ${count} of them:`);
  const rows = order.map(({ name, top1, loss, told }) => [name, percent(top1), loss.toFixed(4), typed(told)]);
  printTable([["pixels", isSeveral ? "mAP" : "top-1", "loss", "options"], ...rows], { write: note });
  note(
    tied.length > 0
      ? `Used: ${winner.name}. It cannot be told apart from ${tied.map(({ name }) => name).join(", ")} on these images; look up how the network was trained.`
      : `Used: ${winner.name}. To keep it: ${typed(winner.told)}`,
  );
  return preprocess(base, winner.told, channels);
}

const isAssumed = (sentences: readonly string[]) => sentences.some((sentence) => ASSUMED.test(sentence));

/** Images that have the network's size already are neither enlarged nor cropped, unless that is recorded or told. */
async function unresized(steps: readonly Transform[], dataset: Dataset): Promise<readonly Transform[]> {
  const { image } = await firstSample(dataset, { skipCorrupt: true });
  const fits = steps.some(
    (step) =>
      typeof step === "object" &&
      "centerCrop" in step &&
      step.centerCrop.size === image.height &&
      image.height === image.width,
  );
  return fits ? preprocess(steps, { resize: [image.height, image.width] }) : steps;
}
