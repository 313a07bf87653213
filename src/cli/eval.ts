import { existsSync, statSync } from "node:fs";
import { Command, Option } from "commander";
import { openSource, type Source } from "../classify/node/index.ts";
import {
  type Corrupt,
  type Dataset,
  type LocatedDataset,
  locateDataset,
  relabel,
  split,
  workerLoader,
} from "../data/node/index.ts";
import { MODELS, VARIANTS, type Variant } from "../models/index.ts";
import type { TrainConfig } from "../runs/index.ts";
import { readConfig } from "../runs/node/index.ts";
import { nodeEngine } from "../runtime/node/index.ts";
import { type Evaluation, Evaluator, inputShape } from "../train/index.ts";
import { withDownloads } from "./download.ts";
import { resolveWeights, WEIGHTS_HELP } from "./model.ts";
import { makerFor } from "./own-model.ts";
import { parseCount, parsePositive, print, printJson, printTable, skippedLines, UsageError } from "./support.ts";

interface Flags {
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
  print(`loss ${loss.toFixed(4)}  top-1 ${percent(top1)}  top-5 ${percent(top5)}\n`);
  const name = (k: number) => classes[k] ?? String(k);
  printTable([
    ["class", "images", "found", "most often taken for"],
    // networks that know more classes than the data have would fill the table with nothing
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

/** The network that is measured, with its weights. */
async function openNetwork(target: string, { variant, model, weights }: Flags): Promise<Source> {
  if (weights !== undefined) {
    if (!Object.hasOwn(MODELS, target))
      throw new UsageError(`--weights goes with a network, of which there are ${Object.keys(MODELS).join(", ")}`);
    const { file, published } = await resolveWeights(target, weights, { variant });
    return openSource(target, { weights: file, variant: published?.variant ?? variant });
  }
  if (!existsSync(target)) throw new UsageError(`there is no run or weight file ${target}`);
  const makeModel = await makerFor(model, target);
  if (makeModel || model === undefined) return openSource(target, { variant, makeModel });
  return openSource(model, { variant, weights: target });
}

/** A part of a data set. What a run held back of its training images is its part "val", and "test" where there is no other. */
async function openPart(located: LocatedDataset, part: Flags["split"], run?: TrainConfig): Promise<Dataset> {
  const held = run !== undefined && run.validationFraction > 0;
  if (!held || (part === "test" && located.splits.length > 1)) return located.open(part);
  const { train, validation } = split(await located.open("train"), run.validationFraction, run.seed);
  return part === "train" ? train : validation;
}

/** The set with its labels in the order of the network's classes, where both are known by name. */
function labelledAs(dataset: Dataset, classes: readonly string[], target: string): Dataset {
  const same = classes.length === dataset.classes.length && classes.every((name, i) => name === dataset.classes[i]);
  if (classes.length === 0 || same) return dataset;
  const relabelled = relabel(dataset, classes);
  if (relabelled) return relabelled;
  const numbered = [classes, dataset.classes].some((names) => names.every((name) => /^\d+$/.test(name)));
  // another number of classes is told with that of the network itself
  if (numbered || classes.length !== dataset.classes.length) return dataset;
  throw otherClasses(target, counted(classes.length, classes), dataset);
}

const otherClasses = (target: string, known: string, { name, classes }: Dataset) =>
  new UsageError(
    `${target} tells ${known} apart, but ${name} has ${counted(classes.length, classes)}; --data has to name a set with the same classes`,
  );

export const command = new Command("eval")
  .description("Measure trained weights on a data set: loss, top-1, top-5, every class.")
  .argument(
    "<run|weights|network>",
    "folder of a run (its best weights are taken), weights written by train, an .onnx file, or with --weights a network",
  )
  .option("--weights <file>", `with a network: its weights, ${WEIGHTS_HELP}`)
  .addOption(
    new Option(
      "--model <name>",
      "the network that the weights are of, where they do not say: a name, or file.js[#Export]",
    ).conflicts("weights"),
  )
  .addOption(new Option("--variant <name>", "which version of it").choices(VARIANTS))
  .option("--data <name|dir>", "another data set than the one it was trained on")
  .option("--data-dir <dir>", "where known data sets are kept")
  .addOption(new Option("--split <part>", "part of the data set").choices(["train", "val", "test"]).default("test"))
  .option("--offline", "never download")
  .option("--batch-size <n>", "images per batch", parsePositive, 64)
  .option("--workers <n>", "threads that prepare images", parseCount, 1)
  .option("--threads <n>", "threads that compute", parsePositive)
  .option("--skip-corrupt", "leave out images that cannot be read")
  .option("--json", "everything, the confusion matrix and the worst mistakes included, for programs")
  .addHelpText(
    "after",
    "\nExamples:\n  convnets eval run/20260101-120000-nin-cifar10\n  convnets eval best.safetensors --data ./photos --split val\n  convnets eval vgg16 --weights torchvision --data ./imagenet --split val",
  )
  .action(async (target: string, flags: Flags) => {
    const opened = await openNetwork(target, flags);
    const { model, weights, preprocessing, channels } = opened;
    for (const sentence of opened.assumed) if (/prepared/.test(sentence)) process.stderr.write(`${sentence}\n`);
    const isRun = flags.weights === undefined && statSync(target).isDirectory();
    const run = isRun && flags.data === undefined ? await readConfig(target) : undefined;
    const source = flags.data ?? run?.data;
    if (source === undefined) throw new UsageError("--data has to say on which data set");
    const { skipCorrupt = false } = flags;
    const located = await withDownloads(flags, (options) =>
      locateDataset(source, { ...options, skipCorrupt, channels }),
    );
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
      if (dataset.classes.length !== evaluator.numClasses)
        throw otherClasses(target, counted(evaluator.numClasses, opened.classes), dataset);
      const evaluation = await evaluator.evaluate(loader);
      if (flags.json)
        printJson({
          weights: target,
          data: dataset.name,
          classes: dataset.classes,
          ...evaluation,
          skipped: loader.skipped,
        });
      else show(evaluation, dataset.classes, loader.skipped);
    } finally {
      await evaluator.dispose();
      await loader.close();
    }
  });
