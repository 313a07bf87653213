import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Command, Option } from "commander";
import { defaultDataDir, locateDataset, type Transform } from "../data/node.ts";
import { VARIANTS } from "../models/index.ts";
import { INITS, parseConfig, type TrainConfig, type TrainConfigInput } from "../train/config.ts";
import { DivergedError } from "../train/fit.ts";
import { dataFacts, isRegistered, type ModelMaker, registeredModel } from "../train/node/prepare.ts";
import { RUN_FILES, readConfig, trainRun } from "../train/node/run.ts";
import { type WriteReportOptions, writeReport } from "../train/node/write-report.ts";
import { recipe } from "../train/recipes.ts";
import { loadModel, publishedFor, resolveWeights, WEIGHTS_HELP } from "./model.ts";
import { terminalView } from "./progress.ts";
import { fail, onOutputLost, parseCount, parseNumber, print, printJson, skippedLines, UsageError } from "./support.ts";

interface Flags {
  data?: string;
  dataDir?: string;
  out?: string;
  resume?: string | true;
  config?: string;
  printConfig?: boolean;
  json?: boolean;
  offline?: boolean;
  report: boolean;
  variant?: TrainConfigInput["variant"];
  inputSize?: number;
  epochs?: number;
  batchSize?: number;
  accumulate?: number;
  lr?: number;
  optimizer?: "sgd" | "adamw";
  schedule?: "constant" | "cosine" | "polynomial";
  weightDecay?: number;
  warmupEpochs?: number;
  labelSmoothing?: number;
  clipNorm?: number;
  ema?: number;
  mixup?: number;
  cutmix?: number;
  init?: TrainConfigInput["init"];
  weights?: string;
  freeze?: string[];
  patience?: number;
  validationFraction?: number;
  checkpointEvery?: number;
  seed?: number;
  workers?: number;
  threads?: number;
  skipCorrupt?: boolean;
  quiet?: boolean;
}

/** Flags that stand in the config under the same name. */
const SAME = [
  "epochs",
  "batchSize",
  "accumulate",
  "lr",
  "warmupEpochs",
  "labelSmoothing",
  "clipNorm",
  "ema",
  "mixup",
  "cutmix",
  "init",
  "weights",
  "freeze",
  "patience",
  "validationFraction",
  "checkpointEvery",
  "seed",
  "workers",
  "threads",
  "skipCorrupt",
] as const satisfies readonly (keyof Flags & keyof TrainConfigInput)[];

const DEFAULTS = { model: "vgg_small", data: "shapes" } as const;

/** The config that a command line asks for: the recipe of network and data, then the file, then the flags. */
async function configOf(named: string | undefined, flags: Flags): Promise<TrainConfig> {
  const fromFile = flags.config === undefined ? {} : await readJson(flags.config);
  const settings: Record<string, unknown> = {
    ...DEFAULTS,
    ...fromFile,
    ...(named !== undefined && { model: named }),
    ...(flags.data !== undefined && { data: flags.data }),
    ...(flags.variant && { variant: flags.variant }),
    ...(flags.inputSize !== undefined && { inputSize: flags.inputSize }),
  };
  for (const name of ["model", "data"])
    if (typeof settings[name] !== "string") throw new UsageError(`${flags.config}: ${name} has to be a name`);
  const { model, data, variant, weights, inputSize } = settings as unknown as TrainConfigInput;
  const skipCorrupt = flags.skipCorrupt ?? fromFile.skipCorrupt === true;
  const located = await locateDataset(data, { ...locating(flags), skipCorrupt });
  const published = await publishedFor(model, flags.weights ?? weights, { variant });
  const facts = await dataFacts(located, { skipCorrupt });
  const recommended = recipe(model, facts, { variant: published?.variant ?? variant, inputSize });
  const base = published ? normalizedAs(published.transforms, recommended) : recommended;
  const merged: Record<string, unknown> = { ...base, ...settings };
  for (const name of SAME) if (flags[name] !== undefined) merged[name] = flags[name];
  if (flags.optimizer) merged.optimizer = { name: flags.optimizer };
  if (flags.schedule) merged.schedule = { name: flags.schedule };
  if (flags.weightDecay !== undefined)
    merged.optimizer = { ...(merged.optimizer as object), weightDecay: flags.weightDecay };
  return parseConfig(merged);
}

/** A recipe with the normalization that published weights were trained with. */
function normalizedAs(published: readonly Transform[], recipe: TrainConfigInput): TrainConfigInput {
  const isNormalize = (step: unknown) => typeof step === "object" && step !== null && "normalize" in step;
  const normalize = published.find(isNormalize);
  const changed = (steps: readonly unknown[]) => steps.map((step) => (isNormalize(step) ? normalize : step));
  const { train, validation } = recipe.transforms;
  return { ...recipe, transforms: { train: changed(train), validation: changed(validation) } };
}

const locating = ({ dataDir, offline }: Flags) => ({
  ...(dataDir !== undefined && { dataDir }),
  ...(offline && { download: false }),
});

async function readJson(path: string): Promise<Record<string, unknown>> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw new UsageError(`${path} is no config file: ${(error as Error).message}`);
  }
}

/** The run to resume: the folder named, else the one under run/ whose state was saved last. */
async function runToResume(named: string | true): Promise<string> {
  if (named !== true) return named;
  const names = existsSync("run") ? (await readdir("run")).sort() : [];
  const last = names.filter((name) => existsSync(join("run", name, RUN_FILES.config))).at(-1);
  if (last === undefined) throw new UsageError("there is no run under run/ to resume; name its folder: --resume DIR");
  return join("run", last);
}

/** The config with the file of published weights in the place of "torchvision". */
async function withWeights(config: TrainConfig, { offline = false }: Flags): Promise<TrainConfig> {
  const { model, weights, variant } = config;
  if (weights === undefined) return config;
  return { ...config, weights: (await resolveWeights(model, weights, { variant, download: !offline })).file };
}

function newFolder(model: string, data: string): string {
  const time = new Date().toISOString().slice(0, 19).replaceAll(":", "").replace("T", "-");
  const short = (name: string) => name.split(/[/\\]/).filter(Boolean).at(-1)?.replace(/\W+/g, "_") ?? "run";
  return join("run", `${time}-${short(model)}-${short(data)}`);
}

/** The network of a file; one that was imported gets a last layer for the classes of the data. */
const modelOfFile: ModelMaker = async ({ model }, { numClasses }) =>
  (await loadModel(model, model.endsWith(".onnx") ? { numClasses } : {})).model;

/** Signals that are so close are one. */
const SAME_SIGNAL_MS = 500;

/** Settings that a run may go on with differently: they change no number, or only what would stop it. */
const CHANGEABLE = ["workers", "threads", "skipCorrupt"] as const;

/** The config of a run that goes on. */
async function resumedConfig(dir: string, flags: Flags): Promise<TrainConfig> {
  const fixed = [...SAME, "data", "config", "variant", "inputSize", "optimizer", "schedule", "weightDecay"] as const;
  const refused = fixed.filter((name) => flags[name] !== undefined && !CHANGEABLE.some((other) => other === name));
  if (refused.length > 0) {
    const names = refused.map((name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
    throw new UsageError(
      `a run goes on with the settings that it began with; ${names.join(", ")} cannot be changed, only begun anew with`,
    );
  }
  const config: Record<string, unknown> = { ...(await readConfig(dir)) };
  for (const name of CHANGEABLE) if (flags[name] !== undefined) config[name] = flags[name];
  return parseConfig(config);
}

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
  .option("--input-size <pixels>", "side of the images that the network gets", parseCount)
  .option("--epochs <n>", "times that the data set is seen", parseCount)
  .option("--batch-size <n>", "images per batch", parseCount)
  .option("--accumulate <n>", "batches per update", parseCount)
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
  .option("--patience <n>", "stop after so many epochs without a better one", parseCount)
  .option(
    "--validation-fraction <share>",
    "validate on a part of the training images instead of the test images",
    parseNumber,
  )
  .option("--checkpoint-every <n>", "updates between checkpoints", parseCount)
  .option("--seed <n>", "seed of everything random", parseCount)
  .option("--workers <n>", "threads that prepare images", parseCount)
  .option("--threads <n>", "threads that compute", parseCount)
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
  .action(async (model: string | undefined, flags: Flags) => {
    const resume = flags.resume === undefined ? undefined : await runToResume(flags.resume);
    const asked = resume === undefined ? await configOf(model, flags) : await resumedConfig(resume, flags);
    if (flags.printConfig) return printJson(asked);
    const config = await withWeights(asked, flags);
    const dir = resume ?? flags.out ?? newFolder(config.model, config.data);
    if (resume === undefined && existsSync(join(dir, RUN_FILES.config))) {
      throw new UsageError(
        `${dir} holds a run already; resume it with --resume ${dir}, or choose another folder with --out`,
      );
    }
    const { json = false, quiet = false } = flags;
    const view = terminalView(process.stdout, { json, quiet });
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
      if (!began) throw error;
      failure = error;
    } finally {
      view.close();
      process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
    }
    const written = flags.report && (await report(dir, { data: locating(flags), makeModel }, failure));
    const goOn = `convnets train --resume ${dir}`;
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
    }
  });
