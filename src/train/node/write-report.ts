import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { writeAtomically } from "../../checkpoint/node.ts";
import { type Dataset, type LocateOptions, toInterleaved } from "../../data/node.ts";
import { draw } from "../../draw/index.ts";
import { trace } from "../../nn/index.ts";
import { renderText, summarize } from "../../summary/index.ts";
import type { Evaluation } from "../evaluate.ts";
import { type ReportData, report } from "../report.ts";
import { type EpochLine, readMetrics, type StepLine } from "./metrics-log.ts";
import { type ModelMaker, prepareData, registeredModel } from "./prepare.ts";
import { RUN_FILES, readConfig } from "./run.ts";

export interface WriteReportOptions {
  readonly data?: LocateOptions;
  readonly makeModel?: ModelMaker;
}

/** Writes report.html into a run's folder from what lies there, and the pictures from the data set. Gives its path. */
export async function writeReport(dir: string, options: WriteReportOptions = {}): Promise<string> {
  const config = await readConfig(dir);
  const metrics = await readMetrics(dir);
  const evaluation = await readJson<Evaluation & { classes: string[] }>(join(dir, RUN_FILES.evaluation));
  const { validation, classes } = await prepareData(config, options.data);
  const { image } = await validation.get(0);
  const model = await (options.makeModel ?? registeredModel)(config, {
    numClasses: classes.length,
    channels: image.channels,
  });
  const side = config.inputSize ?? image.height;
  const input = [1, image.channels, side, side];
  const data: ReportData = {
    title: `${config.model} on ${validation.name}`,
    config,
    environment: (await readJson<Record<string, unknown>>(join(dir, RUN_FILES.environment))) ?? {},
    classes,
    steps: metrics.filter((line): line is StepLine => line.type === "step"),
    epochs: metrics.filter((line): line is EpochLine => line.type === "epoch"),
    ...(evaluation && { evaluation }),
    pictures: evaluation ? await pictures(validation, evaluation) : [],
    summary: renderText(summarize(model, { input })),
    drawing: draw(trace(model, input), { theme: "auto" }),
  };
  const path = join(dir, RUN_FILES.report);
  await writeAtomically(path, report(data));
  return path;
}

async function pictures(dataset: Dataset, { worst }: Evaluation): Promise<ReportData["pictures"]> {
  const shown = worst.filter(({ sample }) => sample < dataset.length);
  return Promise.all(
    shown.map(async (mistake) => {
      const { image } = await dataset.get(mistake.sample);
      const { height, width, channels } = image;
      const raw = { width, height, channels: channels as 1 | 3 };
      const png = await sharp(toInterleaved(image), { raw })
        .resize(160, 160, { fit: "inside", withoutEnlargement: true })
        .png()
        .toBuffer();
      return { mistake, url: `data:image/png;base64,${png.toString("base64")}` };
    }),
  );
}

async function readJson<T>(path: string): Promise<T | undefined> {
  return existsSync(path) ? (JSON.parse(await readFile(path, "utf8")) as T) : undefined;
}
