import { Command, Option } from "commander";
import {
  type Corrupt,
  type Dataset,
  type LocatedDataset,
  locateDataset,
  relabel,
  split,
  workerLoader,
} from "../data/node/index.ts";
import { VARIANTS, type Variant } from "../models/index.ts";
import type { TrainConfig } from "../runs/index.ts";
import { readConfig } from "../runs/node/index.ts";
import { nodeEngine } from "../runtime/node/index.ts";
import { type Evaluation, Evaluator, inputShape } from "../train/index.ts";
import { DATA_HELP, dataNamed } from "./data.ts";
import { withDownloads } from "./download.ts";
import { WEIGHTS_HELP, type WeightFlags, withWeightFlags } from "./model.ts";
import { isRun, NETWORK_HELP, openNetwork } from "./network.ts";
import { note, parseCount, parsePositive, print, printJson, printTable, skippedLines, UsageError } from "./support.ts";

interface Flags extends WeightFlags {
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

function show(
  { images, loss, top1, top5, perClass, confusion, seconds }: Evaluation,
  classes: readonly string[],
  skipped: readonly Corrupt[],
): void {
  for (const line of skippedLines(skipped)) print(line);
  print(`${images} images in ${seconds.toFixed(1)} s (${Math.round(images / seconds)} images/s)`);
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

const otherCount = (target: string, outputs: number, { name, classes }: Dataset) =>
  new UsageError(
    `${target}: the network has ${outputs} outputs; data set "${name}" has ${counted(classes.length, classes)}; --data has to name a data set with the same classes`,
  );

export const command = withWeightFlags(new Command("eval"))
  .description("Evaluate trained weights on a data set: loss, top-1, top-5, and the recall of every class.")
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
    const run = isRun(target) && flags.data === undefined ? await readConfig(target) : undefined;
    const source = flags.data === undefined ? run?.data : dataNamed(flags.data, { dataDir, note });
    if (source === undefined) throw new UsageError("--data is missing: the data set to evaluate on");
    const opened = await openNetwork(target, {
      weights: asked,
      model: named,
      variant,
      download: !offline,
      key,
      rename,
    });
    const { model, weights, preprocessing, channels } = opened;
    for (const sentence of opened.assumed) if (!/names of its classes/.test(sentence)) note(sentence);
    const located = await withDownloads(flags, (options) =>
      locateDataset(source, { ...options, skipCorrupt, channels }),
    );
    const understood = flags.data === undefined ? undefined : await located.describe();
    if (understood !== undefined) note(understood);
    const found = await openPart(located, flags.split, run);
    const dataset = labelledAs(found, opened.classes, target);
    const loader = workerLoader(dataset, {
      batchSize: flags.batchSize,
      workers: dataset.source ? flags.workers : 0,
      skipCorrupt,
      transforms: preprocessing,
    });
    const engine = nodeEngine(flags.threads === undefined ? {} : { threads: flags.threads });
    const evaluator = await Evaluator.create(model, { engine, input: await inputShape(loader), weights });
    try {
      if (dataset.classes.length !== evaluator.numClasses) throw otherCount(target, evaluator.numClasses, dataset);
      const evaluation = await evaluator.evaluate(loader);
      if (flags.json)
        printJson({
          weights: target,
          data: dataset.name,
          classes: dataset.classes,
          ...(dataset.classes.length > TOP ? evaluation : withoutTop5(evaluation)),
          skipped: loader.skipped,
        });
      else show(evaluation, dataset.classes, loader.skipped);
    } finally {
      await evaluator.dispose();
      await loader.close();
    }
  });
