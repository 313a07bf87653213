import { existsSync } from "node:fs";
import { mkdir, readdir, rmdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Command, Option } from "commander";
import type { Collective } from "../cluster/index.ts";
import { defaultDataDir, type LocatedDataset, locateDataset } from "../data/node/index.ts";
import { VARIANTS } from "../models/index.ts";
import { INITS, LOSSES, type TrainConfig } from "../runs/index.ts";
import {
  isRegistered,
  type ModelMaker,
  openedOnce,
  RUN_FILES,
  registeredModel,
  trainRun,
  type WriteReportOptions,
  writeReport,
} from "../runs/node/index.ts";
import { DivergedError } from "../train/index.ts";
import { DATA_HELP } from "./data.ts";
import { withDownloads } from "./download.ts";
import { percent } from "./format.ts";
import { loadModel, MODEL_HELP, WEIGHTS_HELP, withWeightFlags } from "./model.ts";
import { addPreprocessing } from "./preprocessing.ts";
import { terminalView } from "./progress.ts";
import { ranksOutput, withRanks } from "./ranks.ts";
import {
  fail,
  note,
  onOutputLost,
  parseCount,
  parseNumber,
  parsePositive,
  print,
  printJson,
  self,
  skippedLines,
  UsageError,
} from "./support.ts";
import {
  checkRanks,
  configOf,
  continuedConfig,
  DEFAULTS,
  resumedConfig,
  type TrainFlags,
  withWeights,
} from "./train-settings.ts";

/** What to do after a training on generated images. */
const NEXT = `
Try next, on real images:
  convnets train --data cifar10                60,000 images of ten kinds of things; 170 MB, downloaded once
  convnets train googlenet --data ./photos     your own images, in one subfolder per class`;

/** The run to resume: the named folder, else the run in run/ that was saved last. */
async function runToResume(named: string | true): Promise<string> {
  if (named !== true) return named;
  const names = existsSync("run") ? await readdir("run") : [];
  const dirs = names.map((name) => join("run", name)).filter((dir) => existsSync(join(dir, RUN_FILES.config)));
  const saved = await Promise.all(
    dirs.map(async (dir) => {
      const [config, last] = [join(dir, RUN_FILES.config), join(dir, RUN_FILES.last)];
      return { dir, time: (await stat(existsSync(last) ? last : config)).mtimeMs };
    }),
  );
  const [newest] = saved.sort((a, b) => b.time - a.time);
  if (!newest) throw new UsageError("there is no run in run/ to resume; name its folder: --resume DIR");
  return newest.dir;
}

/** The folder of the run to continue; undefined for a new one. */
async function runToContinue({ resume, out, continue: isContinued }: TrainFlags): Promise<string | undefined> {
  if (resume !== undefined) return runToResume(resume);
  if (!isContinued) return undefined;
  if (out === undefined) throw new UsageError("--continue needs the folder of the run: --out DIR");
  return existsSync(join(out, RUN_FILES.config)) ? out : undefined;
}

/** Makes a new folder, even if another run starts in the same second. */
async function newFolder(model: string, data: string): Promise<string> {
  const time = new Date().toISOString().slice(0, 19).replaceAll(":", "").replace("T", "-");
  const short = (name: string) => name.split(/[/\\]/).filter(Boolean).at(-1)?.replace(/\W+/g, "_") ?? "run";
  const name = join("run", `${time}-${short(model)}-${short(data)}`);
  await mkdir("run", { recursive: true });
  for (let count = 1; ; count++) {
    const dir = count === 1 ? name : `${name}-${count}`;
    try {
      await mkdir(dir);
      return dir;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

/** The network in a file, with a last layer for the classes of the data if it was imported or is made by a function. */
const modelOfFile: ModelMaker = async ({ model }, { numClasses }) =>
  (await loadModel(model, { numClasses, images: true, finished: true })).model;

/** Signals this close together count as one. In milliseconds. */
const SAME_SIGNAL_MS = 500;

/** Writes the report; returns whether it did. After a failure this may fail too, as on a full disk; the first error counts. */
async function report(dir: string, options: WriteReportOptions, failure: unknown): Promise<boolean> {
  try {
    await writeReport(dir, options);
    return true;
  } catch (error) {
    if (failure === undefined) throw error;
    return false;
  }
}

/** What all ranks train, as rank 0 understood the command line. */
interface Plan {
  readonly config: TrainConfig;
  readonly dir: string;
  readonly resume: boolean;
}

/** The settings of a command line, and the data set where it was found; undefined if they were to be printed. */
async function planned(
  model: string | undefined,
  flags: TrainFlags,
  ranks: number,
): Promise<{ plan: Plan; located: LocatedDataset } | undefined> {
  const resume = await runToContinue(flags);
  const resumed = () => (flags.continue ? continuedConfig : resumedConfig)(resume!, model, flags);
  const { config: asked, ...found } =
    resume === undefined ? await configOf(model, flags) : { config: await resumed(), located: undefined };
  if (flags.printConfig) return void printJson(asked);
  if (resume === undefined && flags.out !== undefined && existsSync(join(flags.out, RUN_FILES.config))) {
    const { out } = flags;
    throw new UsageError(
      `${out} already holds a run; resume it with --resume ${out}, or choose another folder with --out`,
    );
  }
  checkRanks(asked, ranks, { resumed: resume !== undefined });
  // missing data are reported before the run starts
  const located = found.located ?? (await locate(asked, flags));
  const config = resume === undefined ? await withWeights(asked, flags) : asked;
  const dir = resume ?? flags.out ?? (await newFolder(config.model, config.data));
  return { plan: { config, dir, resume: resume !== undefined }, located };
}

const locate = async ({ data, skipCorrupt }: TrainConfig, flags: TrainFlags): Promise<LocatedDataset> =>
  openedOnce(await withDownloads(flags, (options) => locateDataset(data, { ...options, skipCorrupt })));

async function train(model: string | undefined, flags: TrainFlags, collective: Collective): Promise<void> {
  const alone = collective.size === 1;
  const own =
    collective.rank === 0
      ? await planned(model, flags, collective.size).catch((error) => {
          if (alone) throw error;
          // the others leave without a plan
          fail(error);
        })
      : undefined;
  const plan = await collective.broadcast(own?.plan);
  if (!plan) return;
  const { config, dir, resume } = plan;
  // by now, rank 0 has downloaded what was missing
  const located = own?.located ?? (await locate(config, flags));
  const leads = collective.rank === 0;
  const json = flags.json === true;
  const quiet = flags.quiet === true || !leads;
  const view = terminalView(ranksOutput(), { json: json && leads, quiet });
  if (!resume && config.validationFraction > 0)
    view.note(`${percent(config.validationFraction)} of the training images are held out for validation.`);
  const abort = new AbortController();
  let lost: NodeJS.ErrnoException | undefined;
  onOutputLost((error) => {
    lost = error;
    abort.abort();
  });
  let interrupted: number | undefined;
  const interrupt = () => {
    // a signal to a process and to its group, as timeout sends it, arrives twice
    if (interrupted !== undefined && performance.now() - interrupted < SAME_SIGNAL_MS) return;
    // the second time, stop at once
    if (interrupted !== undefined) process.exit(130);
    interrupted = performance.now();
    abort.abort();
    view.note(alone ? "Stopping after this step; press Ctrl-C again to stop at once." : "Stopping after this step.");
  };
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  // mpirun passes it on, and does not kill afterwards
  if (!alone) process.on("SIGUSR2", interrupt);
  const makeModel = isRegistered(config.model) ? registeredModel : modelOfFile;
  let began = false;
  let stopped = false;
  let failure: unknown;
  try {
    const events = trainRun(config, {
      dir,
      resume,
      collective,
      signal: abort.signal,
      located,
      makeModel,
      onNote: quiet ? () => {} : note,
      onSkipped(skipped) {
        for (const line of skippedLines(skipped)) view.note(line);
      },
    });
    for await (const event of events) {
      began = true;
      view.show(event);
      if (event.type === "end") stopped = event.reason === "stopped";
    }
  } catch (error) {
    if (!began || !leads) {
      // the folder is of no use, unless it existed before
      if (leads && !resume && flags.out === undefined) await rmdir(dir).catch(() => {});
      throw error;
    }
    failure = error;
  } finally {
    view.close();
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  }
  const written = leads && flags.report && (await report(dir, { located, makeModel }, failure));
  const kept = flags.dataDir === undefined ? "" : ` --data-dir ${flags.dataDir}`;
  const goOn = `${self()} train --resume ${dir}${kept}`;
  if (failure !== undefined) {
    fail(failure);
    if (!(failure instanceof DivergedError)) process.stderr.write(`Continue with: ${goOn}\n`);
    if (written) process.stderr.write(`Report: ${join(dir, RUN_FILES.report)}\n`);
    if (!alone) await collective.abort(1);
    return;
  }
  if (stopped && leads) process.exitCode = 130;
  if (lost) {
    if (lost.code !== "EPIPE") fail(new Error(`the output cannot be written: ${lost.message}`));
  } else if (leads && !json) {
    print(stopped ? `Stopped. Continue with: ${goOn}` : `Done: ${dir}`);
    if (written && !quiet) print(`Report: ${join(dir, RUN_FILES.report)}`);
    if (!stopped && !quiet && config.data === DEFAULTS.data) print(NEXT.replaceAll("convnets", self()));
  }
}

export const command = withWeightFlags(new Command("train"))
  .description("Train a network on a data set. Writes a folder with checkpoints, metrics and a report.")
  .argument("[model]", `${MODEL_HELP} (default: vgg_small)`)
  .option("--data <name|path>", `${DATA_HELP} (default: shapes, which are generated)`)
  .option("--data-dir <dir>", `where known data sets are stored (default: ${defaultDataDir()})`)
  .option("--offline", "never download")
  .option("--out <dir>", "folder of the run (default: run/TIME-MODEL-DATA)")
  .option("--resume [dir]", "continue a run exactly where its last checkpoint was saved (default: the newest in run/)")
  .option("--continue", "continue the run in --out if there is one, for scripts that start again")
  .option("--config <file.json>", "settings from a file; flags override it")
  .option("--print-config", "print the settings and stop; a good start for such a file")
  .addOption(new Option("--variant <name>", "variant of the network").choices(VARIANTS))
  .option("--no-aux", "leave out the auxiliary classifiers of GoogLeNet and Inception V3")
  .option("--input-size <pixels>", "side of the images that the network takes", parsePositive)
  .option("--epochs <n>", "passes over the training set", parsePositive)
  .option("--batch-size <n>", "images per batch", parsePositive)
  .option("--accumulate <n>", "batches per update", parsePositive)
  .option(
    "--shards <n>",
    "equal parts of a batch; any number of ranks that divides it gives the same numbers",
    parsePositive,
  )
  .addOption(
    new Option("--reduce <how>", "order of sums between ranks: fixed, or as MPI likes it").choices(["exact", "fast"]),
  )
  .addOption(
    new Option("--compress <type>", "send gradients between ranks in 16 bits, with error feedback").choices([
      "bf16",
      "fp16",
    ]),
  )
  .option("--sync-bn", "batch normalization by the statistics of the whole batch instead of each shard's")
  .option("--lr <rate>", "peak learning rate", parseNumber)
  .option("--scale-lr", "for large batches: learning rate × batch size / that of the recipe, and 5 epochs of warm-up")
  .addOption(new Option("--optimizer <name>", "optimizer").choices(["sgd", "lars", "adamw"]))
  .addOption(
    new Option("--schedule <name>", "how the learning rate falls (a config file can set others)").choices([
      "constant",
      "cosine",
      "polynomial",
    ]),
  )
  .option("--weight-decay <factor>", "weight decay", parseNumber)
  .option("--warmup-epochs <n>", "epochs in which the learning rate rises", parseNumber)
  .addOption(
    new Option(
      "--loss <name>",
      "what is minimized: for one class per image, or for several labels (default: as the data set needs)",
    ).choices(LOSSES),
  )
  .option("--label-smoothing <share>", "label smoothing, such as 0.1", parseNumber)
  .option("--clip-norm <norm>", "clip the norm of all gradients together", parseNumber)
  .option("--ema <decay>", "evaluate a moving average of the weights, with a decay such as 0.999", parseNumber)
  .option("--mixup <alpha>", "blend pairs of images", parseNumber)
  .option("--cutmix <alpha>", "paste patches of other images", parseNumber)
  .addOption(
    new Option(
      "--init <how>",
      "initial weights: as the network defines, or by He et al. for networks without normalization",
    ).choices(INITS),
  )
  .option(
    "--weights <file>",
    `initial weights: ${WEIGHTS_HELP}; the last layer is re-initialized if the classes differ`,
  )
  .option("--freeze <prefixes...>", 'parameters to keep fixed, such as features; "backbone" is all but the last layer')
  .option("--patience <n>", "stop after this many epochs without improvement", parsePositive)
  .option(
    "--validation-fraction <share>",
    "validate on a part of the training set instead of the test set",
    parseNumber,
  )
  .option("--checkpoint-every <n>", "updates between checkpoints", parsePositive)
  .option("--seed <n>", "seed of all randomness", parseCount)
  .option("--workers <n>", "threads that load images", parseCount)
  .option("--threads <n>", "threads that compute", parsePositive)
  .option("--skip-corrupt", "ignore images that cannot be read")
  .option("--no-report", "do not write report.html")
  .addOption(new Option("--quiet", "print only the last line and errors").conflicts("json"))
  .option("--json", "events as JSON lines")
  .addHelpText(
    "after",
    `
Examples:
  convnets train                                    a small VGG on generated shapes
  convnets train nin --data cifar10 --epochs 30
  convnets train googlenet --data ./photos          a folder with one subfolder of images per class
  convnets train vgg16 --data ./photos --weights vgg16.safetensors --freeze features
  convnets train googlenet --data ./photos --weights torchvision --epochs 5
  convnets train --resume                           continue after Ctrl-C or a crash
  mpirun -n 4 convnets train googlenet --data ./photos`,
  )
  .action((model: string | undefined, flags: TrainFlags) => withRanks((collective) => train(model, flags, collective)));

addPreprocessing(command);
