import { existsSync } from "node:fs";
import { mkdir, readdir, rmdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { Command, Option } from "commander";
import { defaultDataDir, locateDataset } from "../data/node/index.ts";
import { VARIANTS } from "../models/index.ts";
import { INITS } from "../runs/index.ts";
import {
  isRegistered,
  type ModelMaker,
  RUN_FILES,
  registeredModel,
  trainRun,
  type WriteReportOptions,
  writeReport,
} from "../runs/node/index.ts";
import { DivergedError } from "../train/index.ts";
import { locating, withDownloads } from "./download.ts";
import { percent } from "./format.ts";
import { loadModel, WEIGHTS_HELP } from "./model.ts";
import { terminalView } from "./progress.ts";
import {
  fail,
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
import { configOf, DEFAULTS, resumedConfig, type TrainFlags, withWeights } from "./train-settings.ts";

/** What to do after the pictures that are generated. */
const NEXT = `
Try next, on real pictures:
  convnets train --data cifar10                60,000 photographs of ten things; 170 MB, downloaded once
  convnets train googlenet --data ./photos     your own, in one subfolder per class`;

/** The run to resume: the folder named, else the one under run/ whose state was saved last. */
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
  if (!newest) throw new UsageError("there is no run under run/ to resume; name its folder: --resume DIR");
  return newest.dir;
}

/** Makes a folder that no other run has, even one that is begun in the same second. */
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

/** The network of a file, with a last layer for the classes of the data if it was imported or is made by a function. */
const modelOfFile: ModelMaker = async ({ model }, { numClasses }) =>
  (await loadModel(model, { numClasses, finished: true })).model;

/** Signals that are so close are one. */
const SAME_SIGNAL_MS = 500;

/** Writes the report, and says whether it did. After a failure it may fail too, as on a full disk: the first one counts. */
async function report(dir: string, options: WriteReportOptions, failure: unknown): Promise<boolean> {
  try {
    await writeReport(dir, options);
    return true;
  } catch (error) {
    if (failure === undefined) throw error;
    return false;
  }
}

export const command = new Command("train")
  .description("Train a network on a data set. Writes a folder with checkpoints, metrics and a report.")
  .argument(
    "[model]",
    'a registered network (see "convnets models"), or file.js[#Export] with a Module (default: vgg_small)',
  )
  .option(
    "--data <name|dir>",
    "shapes, cifar10, cifar100, mnist, fashion-mnist, imagenette, or a folder (default: shapes)",
  )
  .option("--data-dir <dir>", `where known data sets are kept (default: ${defaultDataDir()})`)
  .option("--offline", "never download")
  .option("--out <dir>", "folder of the run (default: run/TIME-MODEL-DATA)")
  .option(
    "--resume [dir]",
    "go on with a run, exactly where its last checkpoint stands (default: the newest under run/)",
  )
  .option("--config <file.json>", "settings from a file; flags go before it")
  .option("--print-config", "print the settings and stop; a good start for a file")
  .addOption(new Option("--variant <name>", "which version of the network").choices(VARIANTS))
  .option("--input-size <pixels>", "side of the images that the network gets", parsePositive)
  .option("--epochs <n>", "times that the data set is seen", parsePositive)
  .option("--batch-size <n>", "images per batch", parsePositive)
  .option("--accumulate <n>", "batches per update", parsePositive)
  .option("--lr <rate>", "learning rate at its highest", parseNumber)
  .addOption(new Option("--optimizer <name>", "update rule").choices(["sgd", "adamw"]))
  .addOption(
    new Option("--schedule <name>", "how the rate falls (others in a config file)").choices([
      "constant",
      "cosine",
      "polynomial",
    ]),
  )
  .option("--weight-decay <factor>", "pull towards zero", parseNumber)
  .option("--warmup-epochs <n>", "epochs in which the rate rises", parseNumber)
  .option("--label-smoothing <share>", "share of each target that is spread over all classes", parseNumber)
  .option("--clip-norm <norm>", "largest norm of all gradients together", parseNumber)
  .option("--ema <decay>", "evaluate a moving average of the weights, such as 0.999", parseNumber)
  .option("--mixup <alpha>", "blend pairs of images", parseNumber)
  .option("--cutmix <alpha>", "paste patches of other images", parseNumber)
  .addOption(
    new Option(
      "--init <how>",
      "how first weights are drawn: as the network says, or by He et al., for networks without normalization",
    ).choices(INITS),
  )
  .option(
    "--weights <file>",
    `start from these weights, ${WEIGHTS_HELP}; the last layer is drawn anew where the classes differ`,
  )
  .option(
    "--freeze <prefixes...>",
    'parameters that stay as they are, such as features; "backbone" is all but the last layer',
  )
  .option("--patience <n>", "stop after so many epochs without a better one", parsePositive)
  .option(
    "--validation-fraction <share>",
    "validate on a part of the training images instead of the test images",
    parseNumber,
  )
  .option("--checkpoint-every <n>", "updates between checkpoints", parsePositive)
  .option("--seed <n>", "seed of everything random", parseCount)
  .option("--workers <n>", "threads that prepare images", parseCount)
  .option("--threads <n>", "threads that compute", parsePositive)
  .option("--skip-corrupt", "leave out images that cannot be read")
  .option("--no-report", "write no report.html")
  .addOption(new Option("--quiet", "print the last line alone, and errors").conflicts("json"))
  .option("--json", "events as JSON lines, for programs")
  .addHelpText(
    "after",
    `
Examples:
  convnets train                                    a small VGG on generated shapes
  convnets train nin --data cifar10 --epochs 30
  convnets train googlenet --data ./photos          a folder with one subfolder of pictures per class
  convnets train vgg16 --data ./photos --weights vgg16.safetensors --freeze features
  convnets train googlenet --data ./photos --weights torchvision --epochs 5
  convnets train --resume                           go on after Ctrl-C or a crash`,
  )
  .action(async (model: string | undefined, flags: TrainFlags) => {
    const resume = flags.resume === undefined ? undefined : await runToResume(flags.resume);
    const asked = resume === undefined ? await configOf(model, flags) : await resumedConfig(resume, model, flags);
    if (flags.printConfig) return printJson(asked);
    if (resume === undefined && flags.out !== undefined && existsSync(join(flags.out, RUN_FILES.config))) {
      const { out } = flags;
      throw new UsageError(
        `${out} holds a run already; resume it with --resume ${out}, or choose another folder with --out`,
      );
    }
    // what is missing comes before the run begins
    if (resume !== undefined) await withDownloads(flags, (options) => locateDataset(asked.data, options));
    const config = await withWeights(asked, flags);
    const dir = resume ?? flags.out ?? (await newFolder(config.model, config.data));
    const { json = false, quiet = false } = flags;
    const view = terminalView(process.stdout, { json, quiet });
    if (resume === undefined && config.validationFraction > 0)
      view.note(`${percent(config.validationFraction)} of the training images are held back to validate on.`);
    const abort = new AbortController();
    let lost: NodeJS.ErrnoException | undefined;
    onOutputLost((error) => {
      lost = error;
      abort.abort();
    });
    let interrupted: number | undefined;
    const interrupt = () => {
      // who signals a process and its group, as timeout does, sends twice: a signal right after the first is the same one
      if (interrupted !== undefined && performance.now() - interrupted < SAME_SIGNAL_MS) return;
      // the second time, at once
      if (interrupted !== undefined) process.exit(130);
      interrupted = performance.now();
      abort.abort();
      view.note("Stopping after this step; once more to stop at once.");
    };
    process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
    const makeModel = isRegistered(config.model) ? registeredModel : modelOfFile;
    let began = false;
    let stopped = false;
    let failure: unknown;
    try {
      const events = trainRun(config, {
        dir,
        resume: resume !== undefined,
        signal: abort.signal,
        data: locating(flags),
        makeModel,
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
      if (!began) {
        // the folder was made for nothing, unless it was there
        if (resume === undefined && flags.out === undefined) await rmdir(dir).catch(() => {});
        throw error;
      }
      failure = error;
    } finally {
      view.close();
      process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
    }
    const written = flags.report && (await report(dir, { data: locating(flags), makeModel }, failure));
    const kept = flags.dataDir === undefined ? "" : ` --data-dir ${flags.dataDir}`;
    const goOn = `${self()} train --resume ${dir}${kept}`;
    if (failure !== undefined) {
      fail(failure);
      if (!(failure instanceof DivergedError)) process.stderr.write(`Go on with: ${goOn}\n`);
      if (written) process.stderr.write(`Report: ${join(dir, RUN_FILES.report)}\n`);
      return;
    }
    if (stopped) process.exitCode = 130;
    if (lost) {
      if (lost.code !== "EPIPE") fail(new Error(`the output cannot be written: ${lost.message}`));
    } else if (!json) {
      print(stopped ? `Stopped. Go on with: ${goOn}` : `Done: ${dir}`);
      if (written && !quiet) print(`Report: ${join(dir, RUN_FILES.report)}`);
      if (!stopped && !quiet && config.data === DEFAULTS.data) print(NEXT.replaceAll("convnets", self()));
    }
  });
