import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { Command } from "commander";
import { nearest } from "../graph/index.ts";
import { settingsOf } from "../report/index.ts";
import { bestEpoch, type EpochLine, RUN_FILES, type Run, readRun } from "../runs/node/index.ts";
import { clock, percent } from "./format.ts";
import { print, printJson, printTable, UsageError } from "./support.ts";

const FOLDER = "run";

interface Broken {
  readonly dir: string;
  readonly problem: string;
}

/** All runs in a folder, oldest first, and the folders that look like runs but cannot be read. */
async function readRuns(folder: string): Promise<{ runs: Run[]; broken: Broken[] }> {
  const runs: Run[] = [];
  const broken: Broken[] = [];
  for (const name of existsSync(folder) ? (await readdir(folder)).sort() : []) {
    const dir = join(folder, name);
    if (!Object.values(RUN_FILES).some((file) => existsSync(join(dir, file)))) continue;
    await readRun(dir).then(
      (run) => runs.push(run),
      (error: Error) => broken.push({ dir, problem: error.message }),
    );
  }
  return { runs: runs.sort((a, b) => a.time.localeCompare(b.time)), broken };
}

/** The facts of a run in the list. */
function factsOf(run: Run) {
  const { name, dir, config, state, problem, steps, epochs, time } = run;
  const { model, variant, data } = config;
  const best = bestEpoch(epochs);
  return {
    name,
    dir,
    model,
    ...(variant && { variant }),
    data,
    state,
    ...(problem !== undefined && { problem }),
    epochs: epochs.length,
    plannedEpochs: config.epochs,
    bestTop1: best?.validation?.top1 ?? null,
    ...(isMeasured(best) && { bestMeanAveragePrecision: meanAveragePrecision(best) }),
    bestEpoch: best ? best.epoch + 1 : null,
    lastLoss: epochs.at(-1)?.train.loss ?? steps.at(-1)?.loss ?? null,
    time,
  };
}

/** Of several labels per image. */
const meanAveragePrecision = (epoch: EpochLine | undefined) => epoch?.validation?.metrics?.meanAveragePrecision;
const isMeasured = (epoch: EpochLine | undefined) => meanAveragePrecision(epoch) !== undefined;

/** The best top-1, or the mean average precision if images have several labels. */
function bestOf(epoch: EpochLine | undefined, digits?: number): string {
  return isMeasured(epoch)
    ? `mAP ${percent(meanAveragePrecision(epoch), digits)}`
    : percent(epoch?.validation?.top1, digits);
}

const loss = (value: number | null | undefined) => value?.toFixed(4) ?? "–";
const when = (time: string) => time.slice(0, 16).replace("T", " ");

async function list(folder: string, json: boolean): Promise<void> {
  if (existsSync(join(folder, RUN_FILES.config))) {
    throw new UsageError(`${folder} is a run; name the folder that it is in, or compare it with another run`);
  }
  if (folder !== FOLDER && !existsSync(folder)) {
    const near = nearest(folder, ["compare"]);
    throw new UsageError(
      `there is no folder ${folder}${near ? `; did you mean "convnets runs ${near}"?` : "; convnets runs [folder] lists runs, convnets runs compare compares them"}`,
    );
  }
  const { runs, broken } = await readRuns(folder);
  if (json) return printJson({ runs: runs.map(factsOf), broken });
  if (runs.length === 0) print(`There are no runs in ${folder}. Start one: convnets train`);
  else {
    printTable([
      ["run", "network", "data", "state", "epochs", "best top-1", "last loss", "when (UTC)"],
      ...runs
        .map((run) => ({ ...factsOf(run), best: bestOf(bestEpoch(run.epochs)) }))
        .map((run) => [
          run.name,
          run.variant ? `${run.model} (${run.variant})` : run.model,
          basename(run.data),
          run.state,
          `${run.epochs}/${run.plannedEpochs}`,
          run.best,
          loss(run.lastLoss),
          when(run.time),
        ]),
    ]);
  }
  for (const { dir, problem } of broken) process.stderr.write(`ignored ${dir}: ${problem}\n`);
}

/** A run by its folder, or by its name in the usual folder. */
function findRun(name: string): Promise<Run> {
  const dir = !existsSync(name) && existsSync(join(FOLDER, name)) ? join(FOLDER, name) : name;
  if (!existsSync(dir)) throw new UsageError(`there is no run ${name}; "convnets runs" lists the runs`);
  return readRun(dir);
}

function differences(runs: readonly Run[]): [setting: string, ...values: string[]][] {
  const all = runs.map(({ config }) => new Map(settingsOf(config)));
  const names = new Set(all.flatMap((settings) => [...settings.keys()]));
  return [...names].flatMap((name) => {
    const values = all.map((settings) => settings.get(name) ?? "–");
    return new Set(values).size > 1 ? [[name, ...values]] : [];
  });
}

/** Results of the runs, a row per fact. */
function results(runs: readonly Run[]): string[][] {
  const row = (name: string, value: (run: Run) => string) => [name, ...runs.map(value)];
  const total = ({ steps }: Run, key: "images" | "seconds") => steps.reduce((sum, step) => sum + step[key], 0);
  return [
    row("state", ({ state }) => state),
    row("epochs", ({ epochs, config }) => `${epochs.length}/${config.epochs}`),
    row("best top-1", ({ epochs }) => bestOf(bestEpoch(epochs), 2)),
    row("in epoch", (run) => String(factsOf(run).bestEpoch ?? "–")),
    row("last loss", (run) => loss(factsOf(run).lastLoss)),
    row("training time", (run) => clock(total(run, "seconds"))),
    row("images/s", (run) =>
      run.steps.length === 0 ? "–" : (total(run, "images") / total(run, "seconds")).toFixed(1),
    ),
  ];
}

/** Loss and accuracy of each epoch. */
function course(runs: readonly Run[]): string[][] {
  const epochs = Math.max(...runs.map(({ epochs }) => epochs.length));
  return Array.from({ length: epochs }, (_, i) => [
    String(i + 1),
    ...runs.map((run) => loss(run.epochs[i]?.train.loss)),
    ...runs.map((run) => loss(run.epochs[i]?.validation?.loss)),
    ...runs.map((run) => bestOf(run.epochs[i], 2)),
  ]);
}

async function compare(names: readonly string[], json: boolean): Promise<void> {
  const runs = await Promise.all(names.map(findRun));
  const settings = differences(runs);
  if (json) {
    return printJson({
      runs: runs.map((run) => ({ ...factsOf(run), epochs: run.epochs })),
      differences: Object.fromEntries(settings.map(([name, ...values]) => [name, values])),
    });
  }
  const titles = runs.map(({ name }) => name);
  printTable([["", ...titles], ...(settings.length > 0 ? settings : [["settings", ...runs.map(() => "the same")]])]);
  print("");
  printTable([["", ...titles], ...results(runs)]);
  const rows = course(runs);
  if (rows.length === 0) return;
  print("");
  // names are long, and are shown above
  const letters = runs.map((_, i) => String.fromCharCode(65 + i));
  const head = ["loss", "valid. loss", "top-1"].flatMap((what) => letters.map((letter) => `${what} ${letter}`));
  printTable([["epoch", ...head], ...rows]);
  print(`\n${letters.map((letter, i) => `${letter}: ${titles[i]}`).join("   ")}`);
}

export const command = new Command("runs")
  .description("List the runs in a folder, or compare some.")
  .argument("[folder]", "folder of runs", FOLDER)
  .option("--json", "as JSON")
  .addHelpText("after", "\nExamples:\n  convnets runs\n  convnets runs compare first second\n  convnets runs --json")
  .action((folder: string, { json = false }: { json?: boolean }) => list(folder, json))
  .enablePositionalOptions()
  .hook("preSubcommand", (runs, subcommand) => {
    subcommand.copyInheritedSettings(runs);
  });

command
  .command("compare")
  .description("Compare runs: settings that differ, results, and every epoch.")
  .argument("<runs...>", `two or more runs: folders, or names in ${FOLDER}/`)
  .option("--json", "as JSON")
  .addHelpText(
    "after",
    "\nExample:\n  convnets runs compare run/20260101-120000-nin-cifar10 run/20260102-120000-nin-cifar10",
  )
  .action((names: string[], { json = false }: { json?: boolean }) => {
    if (names.length < 2) throw new UsageError("compare takes two or more runs");
    return compare(names, json);
  });
