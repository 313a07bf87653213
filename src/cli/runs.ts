import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { Command } from "commander";
import type { TrainConfig } from "../train/config.ts";
import { type EpochLine, readMetrics } from "../train/node/metrics-log.ts";
import { RUN_FILES, readConfig } from "../train/node/run.ts";
import { print, printJson, printTable, UsageError } from "./support.ts";

interface Run {
  readonly dir: string;
  readonly config: TrainConfig;
  readonly epochs: readonly EpochLine[];
}

async function readRun(dir: string): Promise<Run> {
  const metrics = await readMetrics(dir);
  return {
    dir,
    config: await readConfig(dir),
    epochs: metrics.filter((line): line is EpochLine => line.type === "epoch"),
  };
}

const percent = (share: number | undefined) => (share === undefined ? "–" : `${(100 * share).toFixed(2)} %`);
const best = ({ epochs }: Run) =>
  epochs.reduce<number | undefined>(
    (top, { validation }) => (validation && validation.top1 > (top ?? -1) ? validation.top1 : top),
    undefined,
  );

async function list(folder: string, json: boolean): Promise<void> {
  const names = existsSync(folder) ? (await readdir(folder)).sort() : [];
  const runs: Run[] = [];
  const broken: string[] = [];
  for (const name of names) {
    const dir = join(folder, name);
    if (!existsSync(join(dir, RUN_FILES.config))) continue;
    await readRun(dir).then(
      (run) => runs.push(run),
      (error: Error) => broken.push(error.message),
    );
  }
  if (json) return printJson(runs);
  if (runs.length === 0) print(`There are no runs in ${folder}. Start one: convnets train`);
  else {
    printTable([
      ["run", "network", "data", "epochs", "best top-1", "last loss", "last epoch ended"],
      ...runs.map((run) => {
        const last = run.epochs.at(-1);
        const { model, data, epochs } = run.config;
        return [
          basename(run.dir),
          model,
          basename(data),
          `${run.epochs.length} of ${epochs}`,
          percent(best(run)),
          last?.train.loss.toFixed(4) ?? "–",
          last?.time.slice(0, 16).replace("T", " ") ?? "–",
        ];
      }),
    ]);
  }
  for (const problem of broken) process.stderr.write(`passed over: ${problem}\n`);
}

async function compare(a: string, b: string, json: boolean): Promise<void> {
  const runs = await Promise.all([a, b].map(readRun));
  if (json) return printJson(runs);
  const [first, second] = runs as [Run, Run];
  const fields = Object.keys({ ...first.config, ...second.config }) as (keyof TrainConfig)[];
  const differing = fields.filter(
    (field) => JSON.stringify(first.config[field]) !== JSON.stringify(second.config[field]),
  );
  const text = (run: Run, field: keyof TrainConfig) => JSON.stringify(run.config[field]) ?? "–";
  const rows = Math.max(first.epochs.length, second.epochs.length);
  printTable([
    ["", basename(a), basename(b)],
    ...differing.map((field) => [field, text(first, field), text(second, field)]),
    ["best top-1", percent(best(first)), percent(best(second))],
    ...Array.from({ length: rows }, (_, i) => [
      `epoch ${i + 1}: loss, top-1`,
      ...runs.map(({ epochs }) => {
        const epoch = epochs[i];
        return epoch ? `${epoch.train.loss.toFixed(4)}, ${percent(epoch.validation?.top1)}` : "–";
      }),
    ]),
  ]);
}

export const command = new Command("runs")
  .description("List the trainings in a folder, or set two side by side.")
  .argument("[paths...]", "a folder of runs (default: run), or two runs to compare")
  .option("--json", "for programs")
  .addHelpText("after", "\nExamples:\n  convnets runs\n  convnets runs run/first run/second")
  .action(async (paths: string[], { json = false }: { json?: boolean }) => {
    if (paths.length > 2) throw new UsageError("runs takes one folder of runs, or two runs to compare");
    if (paths.length === 2) return compare(paths[0]!, paths[1]!, json);
    return list(paths[0] ?? "run", json);
  });
