import { existsSync } from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeAtomically } from "../../checkpoint/node.ts";
import type { TrainEvent } from "../events.ts";

/** One line of metrics.jsonl. */
export type MetricsLine = StepLine | EpochLine;

export interface StepLine {
  readonly type: "step";
  readonly epoch: number;
  readonly batch: number;
  readonly step: number;
  readonly loss: number;
  readonly accuracy: number;
  readonly lr: number;
  readonly images: number;
  readonly seconds: number;
}

export interface EpochLine {
  readonly type: "epoch";
  readonly epoch: number;
  readonly step: number;
  readonly lr: number;
  readonly train: {
    readonly loss: number;
    readonly accuracy: number;
    readonly images: number;
    readonly seconds: number;
  };
  readonly validation?: {
    readonly images: number;
    readonly loss: number;
    readonly top1: number;
    readonly top5: number;
    readonly perClass: readonly (number | null)[];
    readonly seconds: number;
  };
  readonly utilisation: number;
  readonly best: boolean;
  /** ISO 8601. */
  readonly time: string;
}

const FILE = "metrics.jsonl";

/** Opens the log of a run. Lines after the step that a run resumes at belong to steps that are done again, and go. */
export async function openMetricsLog(
  dir: string,
  { resumeAtStep }: { resumeAtStep?: number } = {},
): Promise<MetricsLog> {
  const path = join(dir, FILE);
  if (resumeAtStep === undefined) await writeAtomically(path, "");
  else await writeAtomically(path, lines((await readMetrics(dir)).filter(({ step }) => step <= resumeAtStep)));
  return new MetricsLog(await open(path, "a"));
}

/** The metrics of a run so far. A last line that was cut short by a kill is passed over. */
export async function readMetrics(dir: string): Promise<MetricsLine[]> {
  const path = join(dir, FILE);
  if (!existsSync(path)) return [];
  return (await readFile(path, "utf8")).split("\n").flatMap((line): MetricsLine[] => {
    try {
      return line === "" ? [] : [JSON.parse(line)];
    } catch {
      return [];
    }
  });
}

const lines = (entries: readonly MetricsLine[]): string =>
  entries.map((entry) => `${JSON.stringify(entry)}\n`).join("");

/** Appends a line for each step and epoch; what is buffered is written at `flush`. */
export class MetricsLog {
  readonly #file: FileHandle;
  #buffer: MetricsLine[] = [];

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async add(event: TrainEvent, time: Date): Promise<void> {
    if (event.type === "step") this.#buffer.push({ ...event });
    if (event.type === "epoch") {
      const { type, epoch, step, lr, train, validation, utilisation, best } = event;
      const { confusion: _confusion, worst: _worst, ...kept } = validation ?? {};
      const evaluated = validation && { validation: kept as NonNullable<EpochLine["validation"]> };
      this.#buffer.push({ type, epoch, step, lr, train, ...evaluated, utilisation, best, time: time.toISOString() });
    }
    if (event.type === "epoch" || this.#buffer.length >= 100) await this.flush();
  }

  async flush(): Promise<void> {
    const text = lines(this.#buffer);
    this.#buffer = [];
    if (text !== "") await this.#file.appendFile(text);
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#file.close();
  }
}
