import { existsSync } from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { writeError } from "../../checkpoint/index.ts";
import { writeAtomically } from "../../checkpoint/node/index.ts";
import { type StepEvent, shareRight, type TrainEvent, together } from "../../train/index.ts";

// JSON has no NaN: the recall of a class without images is null
const recall = v.nullable(v.number());

/** What was measured; missing in files of version 0.1.0. */
const metrics = v.optional(v.record(v.string(), v.nullable(v.number())));

const stepLine = v.object({
  type: v.literal("step"),
  epoch: v.number(),
  batch: v.number(),
  step: v.number(),
  loss: v.number(),
  accuracy: v.number(),
  metrics,
  lr: v.number(),
  gradientNorm: v.optional(v.number()),
  images: v.number(),
  seconds: v.number(),
  // with several ranks: their number, the mean of the seconds that they waited for each other, and who took longest
  ranks: v.optional(v.number()),
  communication: v.optional(v.number()),
  slowest: v.optional(v.string()),
});

const epochLine = v.object({
  type: v.literal("epoch"),
  epoch: v.number(),
  step: v.number(),
  lr: v.number(),
  train: v.object({ loss: v.number(), accuracy: v.number(), metrics, images: v.number(), seconds: v.number() }),
  /** An Evaluation without the confusion matrix and the mistakes, which evaluation.json has. */
  validation: v.optional(
    v.object({
      images: v.number(),
      loss: v.number(),
      // of several labels per image
      metrics,
      // null with those
      top1: v.nullable(v.number()),
      top5: v.nullable(v.number()),
      perClass: v.array(recall),
      seconds: v.number(),
    }),
  ),
  utilisation: v.number(),
  best: v.boolean(),
  /** ISO 8601. */
  time: v.string(),
});

const endLine = v.object({
  type: v.literal("end"),
  reason: v.picklist(["finished", "early stopping", "stopped", "diverged", "failed"]),
  epochs: v.number(),
  /** What went wrong. */
  message: v.optional(v.string()),
  time: v.string(),
});

const metricsLine = v.variant("type", [stepLine, epochLine, endLine]);

export type StepLine = v.InferOutput<typeof stepLine>;
export type EpochLine = v.InferOutput<typeof epochLine>;
export type EndLine = v.InferOutput<typeof endLine>;
/** One line of metrics.jsonl. */
export type MetricsLine = v.InferOutput<typeof metricsLine>;

const FILE = "metrics.jsonl";

/** Most lines that wait in memory, and how long, in milliseconds, so that readers see the file grow. */
const BUFFERED = 100;
const WAITING = 1000;

/**
 * Opens the log of a run: a new one, or with `resumeAtStep` the existing one. Its lines after that step are removed, since those
 * steps are done again.
 */
export async function openMetricsLog(
  dir: string,
  { resumeAtStep }: { resumeAtStep?: number } = {},
): Promise<MetricsLog> {
  const path = join(dir, FILE);
  const kept =
    resumeAtStep === undefined
      ? []
      : (await readMetrics(dir)).filter((line) => line.type !== "end" && line.step <= resumeAtStep);
  await writeAtomically(path, text(kept));
  return new MetricsLog(path, await open(path, "a"));
}

/**
 * The metrics of a run so far; none if it has not started. A last line that a kill cut short is ignored.
 *
 * Throws, naming the file and the line, if another line is damaged.
 */
export async function readMetrics(dir: string): Promise<MetricsLine[]> {
  const path = join(dir, FILE);
  if (!existsSync(path)) return [];
  // each line ends in a line break: what follows the last one is empty, or was cut short
  const complete = (await readFile(path, "utf8")).split("\n").slice(0, -1);
  return complete.map((line, i) => {
    try {
      return v.parse(metricsLine, JSON.parse(line));
    } catch (error) {
      const problem = v.isValiError(error) ? `${v.getDotPath(error.issues[0])}: ${error.message}` : `${error}`;
      throw new Error(`${path}, line ${i + 1} is damaged (${problem}); remove that line to continue`, { cause: error });
    }
  });
}

const text = (lines: readonly MetricsLine[]): string => lines.map((line) => `${JSON.stringify(line)}\n`).join("");

/** Appends a line for each step and epoch, and one for the end. */
export class MetricsLog {
  readonly #path: string;
  readonly #file: FileHandle;
  #buffer: MetricsLine[] = [];
  #flushed = performance.now();
  #epochs = 0;

  /** @internal */
  constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  /** Takes any event. All lines are in the file after each epoch and checkpoint; in between, some wait in memory. */
  async add(event: TrainEvent, time: Date): Promise<void> {
    switch (event.type) {
      case "step":
        this.#buffer.push(stepOf(event));
        if (this.#buffer.length >= BUFFERED || performance.now() - this.#flushed >= WAITING) await this.flush();
        break;
      case "epoch":
        this.#epochs = event.epoch + 1;
        this.#buffer.push({ ...epochOf(event), time: time.toISOString() });
        await this.flush();
        break;
      case "checkpoint":
        await this.flush();
        // a power cut after the checkpoint is saved must not leave a gap before it
        await this.#file.datasync();
        break;
      case "end":
        this.#buffer.push({ type: "end", reason: event.reason, epochs: event.epochs, time: time.toISOString() });
        await this.flush();
        break;
      case "start":
        this.#epochs = event.progress.epoch;
        break;
      case "evaluating":
        break;
      default:
        event satisfies never;
    }
  }

  /** Records why the run ended early. */
  async fail(reason: "diverged" | "failed", message: string, time: Date): Promise<void> {
    this.#buffer.push({ type: "end", reason, epochs: this.#epochs, message, time: time.toISOString() });
    await this.flush();
  }

  async flush(): Promise<void> {
    const lines = this.#buffer;
    this.#buffer = [];
    this.#flushed = performance.now();
    if (lines.length === 0) return;
    const { size } = await this.#file.stat();
    try {
      await this.#file.appendFile(text(lines));
    } catch (error) {
      // no other line may follow half a line
      await this.#file.truncate(size).catch(() => {});
      throw writeError(this.#path, error as NodeJS.ErrnoException);
    }
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#file.close();
  }
}

function stepOf({ ranks, ...event }: StepEvent): StepLine {
  const step = { ...event, accuracy: shareRight(event) };
  if (!ranks) return step;
  const { communication, slowest } = together({ ranks, seconds: event.seconds });
  return { ...step, ranks: ranks.length, communication, slowest };
}

function epochOf({
  type,
  epoch,
  step,
  lr,
  train: measured,
  validation,
  utilisation,
  best,
}: Extract<TrainEvent, { type: "epoch" }>): Omit<EpochLine, "time"> {
  const train = { ...measured, accuracy: shareRight(measured) };
  if (!validation) return { type, epoch, step, lr, train, utilisation, best };
  const { images, loss, top1, top5, perClass, perLabel, seconds } = validation;
  const several = perLabel ? { top1: null, top5: null, metrics: { ...validation.metrics } } : { top1, top5 };
  const kept = { images, loss, ...several, perClass: [...perClass], seconds };
  return { type, epoch, step, lr, train, validation: kept, utilisation, best };
}
