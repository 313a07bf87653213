/** Runs in folders, read as they grow: only what was added to metrics.jsonl since the last look is read. */
import { readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { hostname } from "node:os";
import { fileWithin } from "./files.ts";

/** A step as it was measured. */
export interface StepPoint {
  readonly step: number;
  readonly epoch: number;
  readonly loss: number;
  /** Share of images, or of labels, that were right; missing where nothing is classified. */
  readonly accuracy?: number;
  /** Of several labels per image. */
  readonly f1?: number;
  readonly lr: number;
  readonly gradientNorm?: number;
  readonly images: number;
  readonly seconds: number;
}

/** An epoch as it was measured on the validation images, numbered from 0. */
export interface EpochPoint {
  readonly epoch: number;
  readonly step: number;
  readonly loss?: number;
  readonly top1?: number;
  /** Of several labels per image: the share of labels that were right, and how well each label is found. */
  readonly accuracy?: number;
  readonly f1?: number;
  readonly meanAveragePrecision?: number;
}

/** What a run does, or how it ended. */
export type WatchedState = "running" | "unfinished" | "finished" | "stopped early" | "stopped" | "diverged" | "failed";

/** What is known of a run without its steps. */
export interface RunFacts {
  readonly model: string;
  readonly variant?: string;
  readonly data: string;
  readonly state: WatchedState;
  /** What went wrong, if anything. */
  readonly problem?: string;
  /** Epochs that are planned, and that are done. */
  readonly epochs: number;
  readonly done: number;
  readonly step: number;
  /** The epoch with the best top-1; where images have no single class, the one with the lowest loss. */
  readonly best?: EpochPoint;
  /** When it was begun, or the last epoch ended; ISO 8601. */
  readonly time: string;
  readonly report: boolean;
  /** Whether there are weights of a best epoch. */
  readonly weights: boolean;
  readonly batchSize?: number;
  readonly lr?: number;
  readonly optimizer?: string;
}

const STATES: Readonly<Record<string, WatchedState>> = {
  finished: "finished",
  "early stopping": "stopped early",
  stopped: "stopped",
  diverged: "diverged",
  failed: "failed",
};

/** Bytes that are read at once. */
const CHUNK = 4 << 20;

type Fields = Readonly<Record<string, unknown>>;
const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null;
const number = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined);
/** Those fields that are numbers. */
function numbers<Name extends string>(value: unknown, names: readonly Name[]): Partial<Record<Name, number>> {
  const found = isFields(value) ? names.filter((name) => typeof value[name] === "number") : [];
  return Object.fromEntries(found.map((name) => [name, (value as Fields)[name]])) as Partial<Record<Name, number>>;
}
/** What decides which epoch is the best, as in the training: top-1, or the negative loss; never one that was not evaluated. */
const scoreOf = ({ top1, loss = Number.POSITIVE_INFINITY }: EpochPoint): number => top1 ?? -loss;
const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

/** The object in a JSON text; undefined for anything else. */
function parsed(json: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return isFields(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The folder of a run. */
export class WatchedRun {
  readonly #dir: string;
  #steps: StepPoint[] = [];
  #epochs: EpochPoint[] = [];
  #end: Fields | undefined;
  #time: string | undefined;
  #inode = 0;
  #offset = 0;
  #reading: Promise<void> = Promise.resolve();

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** What the run is now; undefined if the folder holds none. */
  async facts(): Promise<RunFacts | undefined> {
    const path = fileWithin(this.#dir, "config.json");
    const config = path === undefined ? undefined : parsed(readFileSync(path, "utf8"));
    const [model, data] = [text(config?.model), text(config?.data)];
    if (!config || model === undefined || data === undefined) return undefined;
    await this.#refresh();
    const [variant, problem] = [text(config.variant), text(this.#end?.message)];
    const epochs = number(config.epochs) ?? 0;
    const [batchSize, lr] = [number(config.batchSize), number(config.lr)];
    const optimizer = isFields(config.optimizer) ? text(config.optimizer.name) : undefined;
    const best = this.#best();
    const ended = STATES[String(this.#end?.reason)] ?? (this.#epochs.length >= epochs ? "finished" : "unfinished");
    return {
      ...{ model, data, epochs, done: this.#epochs.length, step: this.#steps.at(-1)?.step ?? 0 },
      state: isHeld(this.#dir) ? "running" : ended,
      time: this.#time ?? (await timeOf(path!)),
      report: fileWithin(this.#dir, "report.html") !== undefined,
      weights: fileWithin(this.#dir, "best.safetensors") !== undefined,
      ...(variant !== undefined && { variant }),
      ...(problem !== undefined && { problem }),
      ...(best && { best }),
      ...(batchSize !== undefined && { batchSize }),
      ...(lr !== undefined && { lr }),
      ...(optimizer !== undefined && { optimizer }),
    };
  }

  /** What was measured after a step; everything if the run is not that far. A resumed run repeats its steps with the same numbers. */
  since(step: number): { readonly from: number; readonly steps: StepPoint[]; readonly epochs: EpochPoint[] } {
    const isBehind = (this.#steps.at(-1)?.step ?? 0) < step;
    const from = isBehind ? 0 : step;
    return { from, steps: this.#steps.filter((one) => one.step > from), epochs: this.#epochs };
  }

  #best(): RunFacts["best"] {
    let best: EpochPoint | undefined;
    for (const epoch of this.#epochs) if (scoreOf(epoch) > (best ? scoreOf(best) : -Infinity)) best = epoch;
    return best;
  }

  #refresh(): Promise<void> {
    // one look at a time, or lines would be taken twice
    this.#reading = this.#reading.then(
      () => this.#read(),
      () => this.#read(),
    );
    return this.#reading;
  }

  async #read(): Promise<void> {
    const path = fileWithin(this.#dir, "metrics.jsonl");
    if (path === undefined) return this.#clear(0);
    const file = await open(path, "r");
    try {
      const { ino, size } = await file.stat();
      // a resumed run writes the lines that it keeps into a new file
      if (ino !== this.#inode || size < this.#offset) this.#clear(ino);
      while (this.#offset < size) {
        const chunk = Buffer.alloc(Math.min(CHUNK, size - this.#offset));
        const { bytesRead } = await file.read(chunk, 0, chunk.length, this.#offset);
        // what follows the last line break is not written yet
        const end = chunk.subarray(0, bytesRead).lastIndexOf(0x0a) + 1;
        if (end === 0) return;
        for (const line of chunk.toString("utf8", 0, end).split("\n")) this.#take(parsed(line));
        this.#offset += end;
      }
    } finally {
      await file.close();
    }
  }

  #clear(inode: number): void {
    [this.#steps, this.#epochs, this.#end, this.#time] = [[], [], undefined, undefined];
    [this.#inode, this.#offset] = [inode, 0];
  }

  #take(line: Fields | undefined): void {
    if (line?.type === "step") {
      const needed = numbers(line, ["step", "epoch", "loss", "lr", "images", "seconds"]);
      if (Object.keys(needed).length < 6) return;
      const { f1 } = numbers(line.metrics, ["f1"]);
      const others = numbers({ ...line, f1 }, ["accuracy", "f1", "gradientNorm"]);
      this.#steps.push({ ...needed, ...others } as StepPoint);
    } else if (line?.type === "epoch") {
      const [epoch, step] = [number(line.epoch), number(line.step)];
      if (epoch === undefined || step === undefined) return;
      const measured = isFields(line.validation) ? line.validation : {};
      const ofLabels = numbers(measured.metrics, ["accuracy", "f1", "meanAveragePrecision"]);
      this.#epochs.push({ epoch, step, ...numbers(measured, ["loss", "top1"]), ...ofLabels });
      this.#time = text(line.time) ?? this.#time;
    } else if (line?.type === "end") {
      this.#end = line;
      this.#time = text(line.time) ?? this.#time;
    }
  }
}

async function timeOf(path: string): Promise<string> {
  const file = await open(path, "r");
  try {
    return (await file.stat()).mtime.toISOString();
  } finally {
    await file.close();
  }
}

/** Whether a process trains in a folder: one that lives, or one on another machine, which cannot be asked. */
function isHeld(dir: string): boolean {
  const path = fileWithin(dir, "lock");
  if (path === undefined) return false;
  const [pid = "", host = ""] = readFileSync(path, "utf8").trim().split(" ");
  if (host !== hostname()) return host !== "";
  try {
    process.kill(Number(pid), 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
