/** What the page asks the server for beyond its own files; docs/studio.md lists it. */
import { createReadStream, statSync } from "node:fs";
import { join } from "node:path";
import { DEPTH, entriesOf, fileWithin, listFiles, MOST, nameIn, networkWithin, within } from "./files.ts";
import type { JobFacts, Trainings } from "./trainings.ts";
import { type EpochPoint, type RunFacts, type StepPoint, WatchedRun } from "./watch.ts";

/** A run as the page lists it. */
export interface ListedRun extends Omit<RunFacts, "state"> {
  /** Path from the folder; "." is the folder itself. */
  readonly name: string;
  /** "starting" while its process loads the data. */
  readonly state: RunFacts["state"] | "starting" | "stopping";
  /** Whether this server trains it, so that it can stop it. */
  readonly own: boolean;
}

/** What was measured in a run after a step. */
export interface Measurements {
  readonly run: ListedRun;
  /** The step after which `steps` begin; 0 if it is not the one that was asked for. */
  readonly from: number;
  readonly steps: readonly StepPoint[];
  readonly epochs: readonly EpochPoint[];
}

const IMAGE = /\.(jpe?g|png|webp|gif|bmp|avif|tiff?)$/i;

/** A folder with its runs. */
export class Api {
  readonly #folder: string;
  readonly #trainings: Trainings | undefined;
  readonly #watched = new Map<string, WatchedRun>();

  constructor(folder: string, trainings: Trainings | undefined) {
    this.#folder = folder;
    this.#trainings = trainings;
  }

  files = () => listFiles(this.#folder);

  /** A network as a stream; undefined if there is none of this name in the folder. */
  file(name: string) {
    return streamOf(networkWithin(this.#folder, name));
  }

  /** The report of a run as a stream. */
  report(name: string) {
    const dir = within(this.#folder, name);
    return streamOf(dir === undefined ? undefined : fileWithin(dir, "report.html"));
  }

  /** What can be trained from the page: nothing if the server may not start trainings. */
  async choices(): Promise<{ networks: readonly string[]; data: readonly string[] }> {
    if (!this.#trainings) return { networks: [], data: [] };
    const { networks, data } = this.#trainings;
    return { networks, data: [...data, ...(await imageFolders(this.#folder))] };
  }

  /** The runs in the folder and below it, the newest first, and trainings that have not begun. */
  async runs(): Promise<ListedRun[]> {
    const names: string[] = [];
    const look = async (path: string, depth: number): Promise<void> => {
      const entries = await entriesOf(path);
      if (names.length >= MOST) return;
      if (entries.some((entry) => entry.isFile() && entry.name === "config.json"))
        names.push(nameIn(this.#folder, path));
      for (const entry of entries)
        if (entry.isDirectory() && depth < DEPTH) await look(join(path, entry.name), depth + 1);
    };
    await look(this.#folder, 0);
    const jobs = this.#trainings?.list() ?? [];
    const waiting = jobs.map(({ name }) => name).filter((name) => !names.includes(name));
    const listed = await Promise.all([...names, ...waiting].map((name) => this.#listed(name, jobs)));
    return listed.filter((run) => run !== undefined).sort((a, b) => b.time.localeCompare(a.time));
  }

  async #listed(name: string, jobs = this.#trainings?.list() ?? []): Promise<ListedRun | undefined> {
    const job = jobs.find((one) => one.name === name);
    const facts = (await this.#watch(name)?.facts()) ?? (job && fresh(job));
    if (!facts) return undefined;
    const lives = job?.lives === true;
    const problem = job?.problem ?? facts.problem;
    const state = !lives ? facts.state : job.stopping ? "stopping" : facts.state === "running" ? "running" : "starting";
    return { ...facts, name, own: lives, state, ...(problem !== undefined && { problem }) };
  }

  #watch(name: string): WatchedRun | undefined {
    const dir = within(this.#folder, name);
    if (dir === undefined || !statSync(dir).isDirectory()) return undefined;
    const known = this.#watched.get(dir) ?? new WatchedRun(dir);
    this.#watched.set(dir, known);
    return known;
  }

  /** What was measured after a step; undefined if there is no such run. */
  async measurements(name: string, after: number): Promise<Measurements | undefined> {
    const run = await this.#listed(name);
    if (!run) return undefined;
    const nothing = { from: 0, steps: [], epochs: [] };
    return { run, ...(this.#watch(name)?.since(after) ?? nothing) };
  }

  async start(order: unknown): Promise<{ readonly run: string } | undefined> {
    const isOrder = typeof order === "object" && order !== null;
    return this.#trainings && isOrder
      ? { run: await this.#trainings.start(order as Readonly<Record<string, unknown>>) }
      : undefined;
  }

  async resume(name: string): Promise<{ readonly run: string } | undefined> {
    const run = await this.#listed(name);
    if (!run || !this.#trainings) return undefined;
    this.#trainings.resume(name, run);
    return { run: name };
  }

  stop(name: string): { readonly run: string } | undefined {
    if (!this.#trainings) return undefined;
    this.#trainings.stop(name);
    return { run: name };
  }
}

/** A training whose folder is not there yet. */
function fresh({ model, data, started, lives }: JobFacts): RunFacts {
  const state = lives ? "unfinished" : "failed";
  return {
    ...{ model, data, state, time: started },
    ...{ epochs: 0, done: 0, step: 0, report: false, weights: false },
  };
}

function streamOf(path: string | undefined) {
  return path === undefined ? undefined : { bytes: statSync(path).size, open: () => createReadStream(path) };
}

/** Folders with one folder of images per class, or with `train` and such above them. */
async function imageFolders(folder: string): Promise<string[]> {
  const found: string[] = [];
  const look = async (path: string, depth: number): Promise<boolean> => {
    const folders = (await entriesOf(path)).filter((entry) => entry.isDirectory());
    let classes = 0;
    for (const { name } of folders.slice(0, MOST)) {
      const inner = await entriesOf(join(path, name));
      if (inner.some((entry) => entry.isFile() && IMAGE.test(entry.name))) classes++;
    }
    if (classes >= 2) return true;
    if (depth >= DEPTH || found.length >= MOST) return false;
    for (const { name } of folders) {
      const whole = join(path, name);
      const isSet = await look(whole, depth + 1);
      // the parts of a data set are one choice, the folder around them
      if (isSet && /^(train|val|validation|test)/i.test(name)) return true;
      if (isSet) found.push(nameIn(folder, whole));
    }
    return false;
  };
  if (await look(folder, 0)) found.push(".");
  return found.sort();
}
