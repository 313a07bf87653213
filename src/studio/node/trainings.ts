/** Trainings that the page starts: each a `convnets train` in a process of its own, which ends with the server. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { within } from "./files.ts";

/** What may be trained, and how. */
export interface TrainingOptions {
  /** The program and arguments that stand for `convnets`. */
  readonly command: readonly [string, ...string[]];
  /** Names of the networks that may be trained. A file is never one: it would be executed. */
  readonly networks: readonly string[];
  /** Names of data sets, besides folders in the folder that is served. */
  readonly data: readonly string[];
}

/** What the page asks to train: a network, a data set, and the settings that the recipe does not decide. */
export type TrainingOrder = Readonly<Record<string, unknown>>;

/** Settings, each with its flag and what it may be. */
const FLAGS: Readonly<Record<string, readonly [flag: string, allowed: (value: unknown) => boolean]>> = {
  variant: ["--variant", among("note", "paper", "torchvision")],
  inputSize: ["--input-size", count(1)],
  epochs: ["--epochs", count(1)],
  batchSize: ["--batch-size", count(1)],
  lr: ["--lr", amount],
  optimizer: ["--optimizer", among("sgd", "adamw")],
  schedule: ["--schedule", among("constant", "cosine", "polynomial")],
  weightDecay: ["--weight-decay", amount],
  warmupEpochs: ["--warmup-epochs", amount],
  labelSmoothing: ["--label-smoothing", amount],
  clipNorm: ["--clip-norm", amount],
  validationFraction: ["--validation-fraction", amount],
  seed: ["--seed", count(0)],
};

function among(...names: readonly string[]): (value: unknown) => boolean {
  return (value) => names.includes(value as string);
}
function count(least: number): (value: unknown) => boolean {
  return (value) => Number.isSafeInteger(value) && (value as number) >= least;
}
function amount(value: unknown): boolean {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

/** An order that cannot be followed, in words for people. */
export class OrderError extends Error {
  override name = "OrderError";
}

/** A training that this server started. */
interface Job {
  readonly child: ChildProcess;
  readonly model: string;
  readonly data: string;
  readonly started: string;
  stopping: boolean;
  /** The end of what it wrote to stderr. */
  said: string;
  ended: boolean;
}

/** What the list of runs says about a training of this server. */
export interface JobFacts {
  readonly name: string;
  readonly model: string;
  readonly data: string;
  readonly started: string;
  readonly lives: boolean;
  readonly stopping: boolean;
  /** Why it ended, if it said so. */
  readonly problem?: string;
}

/** Milliseconds in which a training saves itself when the server ends. */
const GRACE = 10_000;
const SAID = 4000;

// colors of a terminal
const plain = (text: string): string =>
  text.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g"), "").trim();

/** The trainings of a server, in its folder. */
export class Trainings {
  readonly #folder: string;
  readonly #options: TrainingOptions;
  readonly #jobs = new Map<string, Job>();

  constructor(folder: string, options: TrainingOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  get networks(): readonly string[] {
    return this.#options.networks;
  }
  get data(): readonly string[] {
    return this.#options.data;
  }

  list(): JobFacts[] {
    return [...this.#jobs].map(([name, { model, data, started, ended, stopping, said, child }]) => ({
      ...{ name, model, data, started, lives: !ended, stopping: stopping && !ended },
      ...(ended && child.exitCode !== 0 && !stopping && { problem: plain(said) || "the training ended unexpectedly" }),
    }));
  }

  /** Starts a training, and returns the name of its run. Throws an OrderError. */
  async start(order: TrainingOrder): Promise<string> {
    const { model, data, ...settings } = order;
    const { networks } = this.#options;
    if (typeof model !== "string" || !networks.includes(model))
      throw new OrderError(`only registered networks can be trained from here, not ${JSON.stringify(model)}`);
    const where = this.#dataOf(data);
    const flags = Object.entries(settings).flatMap(([name, value]) => {
      const [flag, allowed] = (Object.hasOwn(FLAGS, name) && FLAGS[name]) || [];
      if (flag === undefined) throw new OrderError(`there is no such setting: ${JSON.stringify(name)}`);
      if (!allowed!(value)) throw new OrderError(`${name} cannot be ${JSON.stringify(value)}`);
      return [flag, String(value)];
    });
    const name = await this.#newFolder(model, data as string);
    this.#spawn(name, { model, data: data as string }, [model, "--data", where, "--out", name, "--offline", ...flags]);
    return name;
  }

  /** Lets a run go on. Its network is one of the registered ones, since others are code. Throws an OrderError. */
  resume(name: string, { model, data }: { readonly model: string; readonly data: string }): void {
    if (this.#jobs.get(name)?.ended === false) throw new OrderError("this run is being trained already");
    if (!this.#options.networks.includes(model) || /\.[cm]?[jt]s$/i.test(data))
      throw new OrderError(
        "the network or the data set of this run is code in a file; resume it with: convnets train --resume",
      );
    this.#spawn(name, { model, data }, ["--resume", join(this.#folder, name), "--offline"]);
  }

  /** Ends a training of this server after its step; it is saved, and can be resumed. Throws an OrderError. */
  stop(name: string): void {
    const job = this.#jobs.get(name);
    if (!job || job.ended)
      throw new OrderError("this training was started elsewhere, so it can only be stopped there, with Ctrl+C");
    job.stopping = true;
    job.child.kill("SIGTERM");
  }

  /** Ends all trainings; each may finish its step and save itself. */
  async close(): Promise<void> {
    const running = [...this.#jobs.values()].filter(({ ended }) => !ended);
    const ends = running.map(({ child }) => new Promise<void>((done) => child.once("close", () => done())));
    for (const job of running) {
      job.stopping = true;
      job.child.kill("SIGTERM");
    }
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((done) => {
      timer = setTimeout(() => {
        for (const { child } of running) child.kill("SIGKILL");
        done();
      }, GRACE);
    });
    await Promise.race([Promise.all(ends), late]);
    clearTimeout(timer);
  }

  #dataOf(data: unknown): string {
    if (typeof data === "string" && this.#options.data.includes(data)) return data;
    const path = typeof data === "string" && data !== "" ? within(this.#folder, data) : undefined;
    if (path === undefined || /\.[cm]?[jt]s$/i.test(path))
      throw new OrderError(`there is no data set ${JSON.stringify(data)} in the folder`);
    return path;
  }

  /** A name for a run, "run/TIME-MODEL-DATA", as the command line gives it. */
  async #newFolder(model: string, data: string): Promise<string> {
    const time = new Date().toISOString().slice(0, 19).replaceAll(":", "").replace("T", "-");
    const short = data.split("/").at(-1)!.replaceAll(/\W+/g, "_");
    // a link in place of run/ must not lead elsewhere
    await mkdir(join(this.#folder, "run"), { recursive: true });
    if (within(this.#folder, "run") === undefined) throw new OrderError("run/ leads out of the folder");
    for (let number = 1; ; number++) {
      const name = `run/${time}-${model}-${short}${number === 1 ? "" : `-${number}`}`;
      if (within(this.#folder, name) === undefined && !this.#jobs.has(name)) return name;
    }
  }

  #spawn(name: string, facts: Pick<Job, "model" | "data">, args: readonly string[]): void {
    const [program, ...first] = this.#options.command;
    const child = spawn(program, [...first, "train", ...args, "--json"], {
      cwd: this.#folder,
      stdio: ["ignore", "pipe", "pipe"],
      // colors and bars are for terminals
      env: { ...process.env, NO_COLOR: "1" },
      windowsHide: true,
    });
    const started = new Date().toISOString();
    const job: Job = { child, ...facts, started, said: "", stopping: false, ended: false };
    // its events are in metrics.jsonl; a training whose output is lost, because this process was killed, saves itself and ends
    child.stdout.resume();
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      job.said = (job.said + text).slice(-SAID);
    });
    child.once("error", ({ message }) => {
      job.said = message;
      job.ended = true;
    });
    child.once("close", () => {
      job.ended = true;
    });
    this.#jobs.set(name, job);
  }
}
