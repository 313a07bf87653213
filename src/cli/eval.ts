import { Command, Option } from "commander";
import type { Source } from "../classify/node/index.ts";
import {
  type Corrupt,
  type Dataset,
  type LocatedDataset,
  locateDataset,
  relabel,
  split,
  type Transform,
  workerLoader,
} from "../data/node/index.ts";
import { VARIANTS, type Variant } from "../models/index.ts";
import { lossOf, type TrainConfig } from "../runs/index.ts";
import { readConfig } from "../runs/node/index.ts";
import { nodeEngine } from "../runtime/node/index.ts";
import { type Evaluation, Evaluator, inputShape, type LabelQuality } from "../train/index.ts";
import { classNames } from "./class-names.ts";
import { DATA_HELP, dataNamed } from "./data.ts";
import { withDownloads } from "./download.ts";
import { WEIGHTS_HELP, type WeightFlags, withWeightFlags } from "./model.ts";
import { checkThere, isRun, NETWORK_HELP, openNetwork } from "./network.ts";
import {
  addPreprocessing,
  findPreprocessing,
  type PreprocessingFlags,
  toldBy,
  withSizes,
  withTold,
} from "./preprocessing.ts";
import { note, parseCount, parsePositive, print, printJson, printTable, skippedLines, UsageError } from "./support.ts";

interface Flags extends PreprocessingFlags, WeightFlags {
  preprocess: "recorded" | "auto";
  classes?: string;
  model?: string;
  weights?: string;
  variant?: Variant;
  data?: string;
  dataDir?: string;
  offline?: boolean;
  split: "train" | "val" | "test";
  batchSize: number;
  workers: number;
  threads?: number;
  skipCorrupt?: boolean;
  json?: boolean;
}

/** Of so many classes or fewer, the right one is among the five likeliest in any case. */
const TOP = 5;

const percent = (share: number) => (Number.isFinite(share) ? `${(100 * share).toFixed(2)} %` : "–");

/** `10 classes (airplane, automobile, bird, …)` */
function counted(count: number, classes: readonly string[]): string {
  const names = classes.length > 5 ? [...classes.slice(0, 3), "…"] : classes;
  return `${count} classes${names.length > 0 ? ` (${names.join(", ")})` : ""}`;
}

function show(evaluation: Evaluation, classes: readonly string[], skipped: readonly Corrupt[]): void {
  const { images, loss, top1, top5, perClass, perLabel, confusion, seconds } = evaluation;
  for (const line of skippedLines(skipped)) print(line);
  print(`${images} images in ${seconds.toFixed(1)} s (${Math.round(images / seconds)} images/s)`);
  if (perLabel) {
    showLabels(evaluation, perLabel, classes);
    return;
  }
  const several = perClass.length > TOP ? `  top-${TOP} ${percent(top5)}` : "";
  print(`loss ${loss.toFixed(4)}  top-1 ${percent(top1)}${several}\n`);
  const name = (k: number) => classes[k] ?? String(k);
  printTable([
    ["class", "images", "recall", "most often taken for"],
    // a network with many more classes than the data would fill the table with nothing
    ...perClass.flatMap((recall, label) => {
      if (perClass.length > 100 && Number.isNaN(recall)) return [];
      const row = confusion[label]!;
      const other = row.reduce(
        (best, count, k) => (k !== label && count > (row[best] ?? 0) && count > 0 ? k : best),
        -1,
      );
      const images = row.reduce((sum, count) => sum + count, 0);
      return [[name(label), String(images), percent(recall), other < 0 ? "" : `${name(other)} (${row[other]})`]];
    }),
  ]);
}

/** How well several labels per image are found. */
function showLabels(
  { loss, metrics }: Evaluation,
  perLabel: readonly LabelQuality[],
  classes: readonly string[],
): void {
  const { meanAveragePrecision, f1, accuracy } = metrics as Record<string, number>;
  const shares = [`mean average precision ${percent(meanAveragePrecision!)}`, `F1 ${percent(f1!)}`];
  print(`loss ${loss.toFixed(4)}  ${shares.join("  ")}  labels right ${percent(accuracy!)}\n`);
  printTable([
    ["label", "images", "precision", "recall", "F1", "average precision"],
    ...perLabel.map(({ images, precision, recall, f1, averagePrecision }, k) => [
      classes[k] ?? String(k),
      String(images),
      ...[precision, recall, f1, averagePrecision].map(percent),
    ]),
  ]);
}

function withoutTop5({ top5: _, ...rest }: Evaluation): Omit<Evaluation, "top5"> {
  return rest;
}

/** A part of a data set. What a run held out of its training set is its validation set, and its test set if there is no other. */
async function openPart(located: LocatedDataset, part: Flags["split"], run?: TrainConfig): Promise<Dataset> {
  const held = run !== undefined && run.validationFraction > 0;
  if (!held && part !== "train" && located.splits.every((other) => other === "train"))
    throw new UsageError(`data set "${located.name}" has training images only; --split train evaluates on those`);
  if (!held || (part === "test" && located.splits.length > 1)) return located.open(part);
  const { train, validation } = split(await located.open("train"), run.validationFraction, run.seed);
  return part === "train" ? train : validation;
}

/** The data set with its labels in the order of the network's classes, if both are known by name. */
function labelledAs(dataset: Dataset, classes: readonly string[], target: string): Dataset {
  const same = classes.length === dataset.classes.length && classes.every((name, i) => name === dataset.classes[i]);
  if (classes.length === 0 || same) return dataset;
  const relabelled = relabel(dataset, classes);
  if (relabelled) return relabelled;
  const numbered = [classes, dataset.classes].some((names) => names.every((name) => /^\d+$/.test(name)));
  // the message for another number of classes needs the outputs of the network
  if (numbered || classes.length !== dataset.classes.length) return dataset;
  throw new UsageError(
    `${target} has ${counted(classes.length, classes)}; data set "${dataset.name}" has ${counted(dataset.classes.length, dataset.classes)}; --data has to name a data set with the same classes`,
  );
}

/** The loss that measures a network on a data set. Throws a UsageError where one has labels and the other classes. */
function lossFor({ task }: Source, { name, targetSize }: Dataset, target: string) {
  if (targetSize === undefined) {
    if (task !== "labels") return undefined;
    throw new UsageError(
      `${target} was trained for several labels per image, but "${name}" has one class per image; --data has to name a data set with labels, such as a table with a column "labels"`,
    );
  }
  if (task === "classes")
    throw new UsageError(
      `${target} was trained for one class per image, but "${name}" has several labels per image; train a network on such data, or name a data set with classes`,
    );
  return lossOf({ loss: "binary-cross-entropy", labelSmoothing: 0 });
}

const otherCount = (target: string, outputs: number, { name, classes }: Dataset) =>
  new UsageError(
    `${target}: the network has ${outputs} outputs; data set "${name}" has ${counted(classes.length, classes)}; --data has to name a data set with the same classes`,
  );

export const command = withWeightFlags(new Command("eval"))
  .description(
    "Evaluate trained weights on a data set: loss, top-1, top-5, and the recall of every class; of several labels per image, the mean average precision, F1, and the quality of every label.",
  )
  .argument("<run|weights|network>", NETWORK_HELP)
  .option("--weights <file>", `weights of the network: ${WEIGHTS_HELP}`)
  .option("--model <name>", "the network of the weights, if the file does not record it: a name or net.js[#Export]")
  .addOption(new Option("--variant <name>", "variant of the network").choices(VARIANTS))
  .option("--data <name|path>", `${DATA_HELP} (default: the one it was trained on)`)
  .option("--data-dir <dir>", "where known data sets are stored")
  .addOption(new Option("--split <part>", "part of the data set").choices(["train", "val", "test"]).default("test"))
  .option("--offline", "never download")
  .option("--batch-size <n>", "images per batch", parsePositive, 64)
  .option("--workers <n>", "threads that load images", parseCount, 1)
  .option("--threads <n>", "threads that compute", parsePositive)
  .option("--skip-corrupt", "ignore images that cannot be read")
  .option("--json", "JSON, with the confusion matrix and the worst mistakes")
  .addHelpText(
    "after",
    "\nExamples:\n  convnets eval run/20260101-120000-nin-cifar10\n  convnets eval best.safetensors --data ./photos --split val\n  convnets eval vgg16 --weights torchvision --data ./imagenet --split val\n  convnets eval net.js --weights weights.pth --data ./photos",
  )
  .action(async (target: string, flags: Flags) => {
    const { skipCorrupt = false, weights: asked, model: named, variant, offline, dataDir, key, rename } = flags;
    checkThere(target, asked);
    const run = isRun(target) && flags.data === undefined ? await readConfig(target) : undefined;
    const source = flags.data === undefined ? run?.data : dataNamed(flags.data, { dataDir, note });
    if (source === undefined) throw new UsageError("--data is missing: the data set to evaluate on");
    const isAuto = flags.preprocess === "auto";
    if (isAuto && toldBy(flags)?.mean) throw new UsageError("--preprocess auto finds the mean; leave out --mean");
    const classes = flags.classes === undefined ? undefined : await classNames(flags.classes);
    const opened = withTold(
      await openNetwork(target, {
        weights: asked,
        model: named,
        variant,
        classes,
        download: !offline,
        key,
        rename,
      }),
      flags,
    );
    const { model, weights, preprocessing, channels } = opened;
    const unsaid = isAuto ? /names of its classes|preprocessing|size of images/ : /names of its classes/;
    for (const sentence of opened.assumed) if (!unsaid.test(sentence)) note(sentence);
    const located = await withDownloads(flags, (options) =>
      locateDataset(source, { ...options, skipCorrupt, channels }),
    );
    const understood = flags.data === undefined ? undefined : await located.describe();
    if (understood !== undefined) note(understood);
    const found = await openPart(located, flags.split, run);
    const dataset = labelledAs(found, opened.classes, target);
    const workers = dataset.source ? flags.workers : 0;
    const loaderWith = (transforms: readonly Transform[]) =>
      workerLoader(dataset, { batchSize: flags.batchSize, workers, skipCorrupt, transforms });
    let loader = loaderWith(preprocessing);
    const engine = nodeEngine(flags.threads === undefined ? {} : { threads: flags.threads });
    const loss = lossFor(opened, dataset, target);
    if (loss && opened.task === undefined)
      note("Images can have several labels: each output is taken to be the score of one of them.");
    const evaluator = await Evaluator.create(model, {
      engine,
      input: await inputShape(loader),
      weights,
      ...(loss && { loss }),
    }).catch((error: unknown) => {
      throw withSizes(error, opened);
    });
    try {
      if ((dataset.targetSize ?? dataset.classes.length) !== evaluator.numClasses)
        throw otherCount(target, evaluator.numClasses, dataset);
      if (isAuto) {
        const found = await findPreprocessing(opened, dataset, evaluator, { workers, skipCorrupt });
        await loader.close();
        loader = loaderWith(found);
      }
      const evaluation = await evaluator.evaluate(loader);
      if (flags.json)
        printJson({
          weights: target,
          data: dataset.name,
          classes: dataset.classes,
          ...(dataset.classes.length > TOP && !evaluation.perLabel ? evaluation : withoutTop5(evaluation)),
          skipped: loader.skipped,
        });
      else show(evaluation, dataset.classes, loader.skipped);
    } finally {
      await evaluator.dispose();
      await loader.close();
    }
  });

addPreprocessing(command)
  .option("--classes <file>", "names of the classes in the order of the outputs: one per line, or JSON")
  .addOption(
    new Option(
      "--preprocess <how>",
      "how images are prepared: as the files record it, or the best of the usual ways on a few hundred images",
    )
      .choices(["recorded", "auto"])
      .default("recorded"),
  );
