import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { Command, Option } from "commander";
import { readCheckpoint } from "../checkpoint/node.ts";
import { locateDataset, workerLoader } from "../data/node.ts";
import { nodeEngine } from "../runtime/node.ts";
import { type Evaluation, Evaluator } from "../train/evaluate.ts";
import { inputShape } from "../train/fit.ts";
import { modelOfWeights } from "../train/node/described.ts";
import { RUN_FILES, readConfig } from "../train/node/run.ts";
import { parseCount, print, printJson, printTable, UsageError } from "./support.ts";

interface Flags {
  data?: string;
  dataDir?: string;
  split: "train" | "val" | "test";
  batchSize: number;
  workers: number;
  threads?: number;
  json?: boolean;
}

const percent = (share: number) => (Number.isFinite(share) ? `${(100 * share).toFixed(2)} %` : "–");

function show(
  { images, loss, top1, top5, perClass, confusion, seconds }: Evaluation,
  classes: readonly string[],
): void {
  print(`${images} images in ${seconds.toFixed(1)} s (${Math.round(images / seconds)} images/s)`);
  print(`loss ${loss.toFixed(4)}  top-1 ${percent(top1)}  top-5 ${percent(top5)}\n`);
  const name = (k: number) => classes[k] ?? String(k);
  printTable([
    ["class", "images", "found", "most often taken for"],
    ...perClass.map((recall, label) => {
      const row = confusion[label]!;
      const other = row.reduce(
        (best, count, k) => (k !== label && count > (row[best] ?? 0) && count > 0 ? k : best),
        -1,
      );
      return [
        name(label),
        String(row.reduce((sum, count) => sum + count, 0)),
        percent(recall),
        other < 0 ? "" : `${name(other)} (${row[other]})`,
      ];
    }),
  ]);
}

export const command = new Command("eval")
  .description("Measure trained weights on a data set: loss, top-1, top-5, every class.")
  .argument("<run|weights>", "folder of a run (its best weights are taken), or a .safetensors file written by train")
  .option("--data <name|dir>", "another data set than the one it was trained on")
  .option("--data-dir <dir>", "where known data sets are kept")
  .addOption(new Option("--split <part>", "part of the data set").choices(["train", "val", "test"]).default("test"))
  .option("--batch-size <n>", "images per batch", parseCount, 64)
  .option("--workers <n>", "threads that prepare images", parseCount, 1)
  .option("--threads <n>", "threads that compute", parseCount)
  .option("--json", "everything, the confusion matrix and the worst mistakes included, for programs")
  .addHelpText(
    "after",
    "\nExamples:\n  convnets eval run/20260101-120000-nin-cifar10\n  convnets eval best.safetensors --data ./photos --split val",
  )
  .action(async (target: string, flags: Flags) => {
    if (!existsSync(target)) throw new UsageError(`there is no run or weight file ${target}`);
    const isRun = statSync(target).isDirectory();
    const file = isRun ? join(target, RUN_FILES.best) : target;
    if (!existsSync(file)) throw new UsageError(`${target} has no ${RUN_FILES.best} yet: no epoch of it is finished`);
    const { model, weights, preprocessing, classes } = modelOfWeights(file, await readCheckpoint(file));
    const source = flags.data ?? (isRun ? (await readConfig(target)).data : undefined);
    if (source === undefined) throw new UsageError("--data has to say on which data set");
    const located = await locateDataset(source, { ...(flags.dataDir !== undefined && { dataDir: flags.dataDir }) });
    const dataset = await located.open(flags.split);
    const loader = workerLoader(dataset, {
      batchSize: flags.batchSize,
      workers: flags.workers,
      transforms: preprocessing,
    });
    const engine = nodeEngine(flags.threads === undefined ? {} : { threads: flags.threads });
    const evaluator = await Evaluator.create(model, { engine, input: await inputShape(loader), weights });
    try {
      const evaluation = await evaluator.evaluate(loader);
      if (flags.json) printJson({ weights: file, data: dataset.name, classes, ...evaluation });
      else show(evaluation, dataset.classes);
    } finally {
      await evaluator.dispose();
      await loader.close();
    }
  });
