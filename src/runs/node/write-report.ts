import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { openCheckpoint, writeAtomically } from "../../checkpoint/node/index.ts";
import { type Dataset, firstSample, toInterleaved } from "../../data/node/index.ts";
import type { ReportData } from "../../report/index.ts";
import type { Evaluation, Mistake } from "../../train/index.ts";
import type { StepLine } from "./metrics-log.ts";
import { type DataOptions, type ModelMaker, type PreparedData, prepareData, registeredModel } from "./prepare.ts";
import { type Run, readRun } from "./read-run.ts";
import { RUN_FILES } from "./run.ts";

/** The data are where the images in the report come from. */
export interface WriteReportOptions extends DataOptions {
  /** How networks are made from their names. Default: the registered ones. */
  readonly makeModel?: ModelMaker;
}

/**
 * Writes report.html into a run's folder from the files there, and returns its path. If the data set or the network is gone, the
 * report says so in place of the images or the drawing.
 */
export async function writeReport(dir: string, options: WriteReportOptions = {}): Promise<string> {
  const run = await readRun(dir);
  const { config, state, problem, time, steps, epochs } = run;
  const notes: string[] = [];
  const evaluation = await readJson<Evaluation & { epoch: number; classes: string[] }>(join(dir, RUN_FILES.evaluation));
  const data = await orNote(notes, "The data set was not found, so no mistakes are shown", () =>
    prepareData(config, options),
  );
  const network = await orNote(notes, "The network cannot be shown", () =>
    shownNetwork(run, options, evaluation, data),
  );
  // what a report alone needs is loaded when one is written, so that commands without it start sooner
  const { report } = await import("../../report/index.ts");
  const page = report({
    title: `${basename(config.model)} on ${data?.validation.name ?? basename(config.data)}`,
    state,
    ...(problem !== undefined && { problem }),
    time,
    config,
    environment: {
      ...(await readJson<Record<string, unknown>>(join(dir, RUN_FILES.environment))),
      ...ranksOf(steps),
    },
    classes: evaluation?.classes ?? data?.classes ?? [],
    steps,
    epochs,
    ...(evaluation && { evaluation }),
    pictures: evaluation && data ? await picturesOf(data.validation, evaluation.worst) : [],
    ...network,
    notes,
  });
  const path = join(dir, RUN_FILES.report);
  await writeAtomically(path, page);
  return path;
}

/** How several ranks worked together; nothing of a run of one process. */
function ranksOf(steps: readonly StepLine[]): Record<string, string> {
  const several = steps.filter(({ ranks }) => ranks !== undefined);
  if (several.length === 0) return {};
  const sum = (of: (step: StepLine) => number) => several.reduce((total, step) => total + of(step), 0);
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const counts = new Map<string, number>();
  for (const { slowest = "" } of several) counts.set(slowest, (counts.get(slowest) ?? 0) + 1);
  const [[name, count] = ["", 0]] = [...counts].sort(([, a], [, b]) => b - a);
  return {
    communication: `${percent(sum(({ communication = 0 }) => communication) / sum(({ seconds }) => seconds))} of the time`,
    "slowest rank": `${name}, in ${percent(count / several.length)} of the steps`,
  };
}

async function orNote<T>(notes: string[], what: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    notes.push(`${what}: ${(error as Error).message}`);
    return undefined;
  }
}

async function shownNetwork(
  { dir, config }: Run,
  { makeModel = registeredModel }: WriteReportOptions,
  evaluation: { readonly classes: readonly string[] } | undefined,
  data: PreparedData | undefined,
): Promise<Pick<ReportData, "summary" | "drawing">> {
  const { channels, height } = data ? (await firstSample(data.validation, config)).image : await trainedImages(dir);
  const model = await makeModel(config, { numClasses: (evaluation ?? data)!.classes.length, channels });
  const side = config.inputSize ?? height;
  if (side === undefined) throw new Error("the size of its input is unknown");
  const input = [1, channels, side, side];
  const { draw } = await import("../../draw/index.ts");
  const { renderText, summarize } = await import("../../summary/index.ts");
  return {
    summary: renderText(summarize(model, { input })),
    drawing: draw(model, { input, title: basename(config.model) }),
  };
}

/** What the best weights say about the images they were trained on. */
async function trainedImages(dir: string): Promise<{ channels: number; height: undefined }> {
  const path = join(dir, RUN_FILES.best);
  if (!existsSync(path))
    throw new Error(`neither the data set nor ${RUN_FILES.best} is there, so its input is unknown`);
  const file = await openCheckpoint(path);
  await file.close();
  const channels = Number(file.metadata.inChannels);
  if (!Number.isInteger(channels))
    throw new Error(`${RUN_FILES.best} does not record how many channels its images have`);
  return { channels, height: undefined };
}

/** Longest side of an image in the report; smaller ones than SMALL are shown pixel by pixel. */
const SIDE = 160;
const SMALL = 64;

async function picturesOf(dataset: Dataset, worst: readonly Mistake[]): Promise<ReportData["pictures"]> {
  const { default: sharp } = await import("sharp");
  const pictures = worst.map(async (mistake) => {
    const { image } = await dataset.get(mistake.sample);
    const { height, width, channels } = image;
    const small = Math.max(height, width) <= SMALL;
    const picture = sharp(toInterleaved(image), { raw: { width, height, channels: channels as 1 | 3 } });
    const bytes = small
      ? await picture.png().toBuffer()
      : await picture.resize(SIDE, SIDE, { fit: "inside", withoutEnlargement: true }).jpeg({ quality: 85 }).toBuffer();
    return { mistake, url: `data:image/${small ? "png" : "jpeg"};base64,${bytes.toString("base64")}`, small };
  });
  return Promise.all(pictures);
}

async function readJson<T>(path: string): Promise<T | undefined> {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(await readFile(path, "utf8")) as T;
  } catch (error) {
    throw new Error(`${path} is damaged: ${(error as Error).message}`, { cause: error });
  }
}
