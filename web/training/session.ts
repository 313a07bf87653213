/** A training under way: `fit`, which rests between two steps when the page asks for it, and saves itself. */
import { dataLoader } from "convnets";
import type { TensorData } from "convnets/graph";
import { fitOptions } from "convnets/runs";
import { DivergedError, type EpochEvent, fit, type TrainEvent } from "convnets/train";
import { filtersOf } from "../bench/weights.ts";
import { loadEngine } from "../engine/engine.ts";
import { openData, partsOf } from "./data.ts";
import { MapsWatch } from "./maps.ts";
import { initialize, planOf } from "./plan.ts";
import type { EpochRecord, Listener, Pace, RunInfo, Snapshot, StepRecord } from "./protocol.ts";
import * as runs from "./runs.ts";
import { FullError } from "./store.ts";

/** Between two saves, at least: in ms, and in times of what a save takes. */
const SAVE_EVERY = 8000;
const SAVE_SHARE = 20;
/** The same for the moments that can be gone back to. */
const MOMENTS_EVERY = 1500;
/** Filters, gradients and maps are remembered at this many moments; with more, every second one is forgotten. */
const MOMENTS = 60;

/** Lets messages of the page come in. */
const turn = () =>
  new Promise<void>((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });

type Checkpoint = Extract<TrainEvent, { type: "checkpoint" }>;

export class Session {
  readonly id: string;
  #info: RunInfo;
  readonly #steps: StepRecord[];
  readonly #epochs: EpochRecord[];
  #moments: Snapshot[];
  readonly #filterKey: string | undefined;
  readonly #maps: MapsWatch | undefined;
  /** Keys of the weights whose gradients are shown, with the paths of their layers. */
  readonly #layers: ReadonlyMap<string, string>;
  #norms: Snapshot["norms"];
  readonly #labels: ArrayLike<number>;
  readonly #events: AsyncIterator<TrainEvent>;
  readonly #release: () => void;
  #listener: Listener = () => undefined;
  #wanted = { pause: false, save: false };
  #savedAt = performance.now();
  #saveTook = 0;
  #momentAt = 0;
  #momentsEvery = MOMENTS_EVERY;
  #unsaved: Checkpoint | undefined;
  #best: ReadonlyMap<string, TensorData> | undefined;

  private constructor(parts: {
    readonly info: RunInfo;
    readonly steps: readonly StepRecord[];
    readonly epochs: readonly EpochRecord[];
    readonly moments: readonly Snapshot[];
    readonly filterKey: string | undefined;
    readonly maps: MapsWatch | undefined;
    readonly layers: ReadonlyMap<string, string>;
    readonly labels: ArrayLike<number>;
    readonly events: AsyncIterator<TrainEvent>;
    readonly release: () => void;
  }) {
    this.id = parts.info.id;
    this.#info = parts.info;
    this.#steps = [...parts.steps];
    this.#epochs = [...parts.epochs];
    this.#moments = [...parts.moments];
    this.#maps = parts.maps;
    this.#layers = parts.layers;
    this.#filterKey = parts.filterKey;
    this.#labels = parts.labels;
    this.#events = parts.events;
    this.#release = parts.release;
  }

  /** Opens a run where it was saved last. Throws if another tab trains it. */
  static async open(id: string, listener: Listener): Promise<Session> {
    const release = await lock(id);
    try {
      listener({ type: "compiling" });
      const { plan, source } = await runs.readPlan(id);
      const { info, steps, epochs, moments } = await runs.readCourse(id);
      const data = await openData(plan.data);
      const resume = await runs.readState(id);
      const planned = await planOf(source, data, info.settings);
      const { model, config } = planned;
      initialize(planned);
      const { train, validation } = partsOf(data, info.settings);
      const { batchSize, seed, transforms } = config;
      const loaders = {
        train: dataLoader(train, { batchSize, seed, transforms: transforms.train, shuffle: true }),
        validation: dataLoader(validation, { batchSize, seed, transforms: transforms.validation }),
      };
      // steps come without a pause for hours, so the page needs a core to stay smooth
      const { engine, info: engineInfo } = await loadEngine(plan.device, { coresLeft: 1 });
      listener({ type: "engine", engine: engineInfo });
      const options = fitOptions(config, { engine, model, ...loaders }, resume ? { resume } : {});
      const watching = { checkpointEvery: 1, worst: validation.length, gradientNorms: true };
      const events = fit(model, { ...options, ...watching });
      const maps = await MapsWatch.create(model, engine, first((await loaders.validation.first()).images));
      const weight = [...model.parameters()].find(([, { shape }]) => shape.length === 4 && shape[2]! * shape[3]! > 1);
      // biases and normalization say less
      const weights = [...model.parameters()].filter(([, { shape }]) => shape.length > 1);
      const session = new Session({
        ...{ info, steps, epochs, moments, filterKey: weight?.[0], maps, release },
        layers: new Map(weights.map(([key]) => [key, key.replace(/\.[^.]+$/, "")])),
        labels: validation.labels ?? [],
        events: events[Symbol.asyncIterator](),
      });
      if (!resume) {
        session.#listener = listener;
        await session.#remember(0, model.stateDict());
      }
      return session;
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Goes on until the end, a pause, or for one step. Everything is saved then. */
  async go(pace: Pace, listener: Listener): Promise<void> {
    this.#listener = listener;
    this.#wanted.pause = pace === "step";
    try {
      // a full storage may have room again
      if (this.#unsaved) await this.#save(this.#unsaved);
      await this.#tell({ state: "running" });
      for (;;) {
        const { value: event, done } = await this.#events.next();
        if (done) break;
        if (await this.#on(event)) return;
        await turn();
      }
    } catch (error) {
      await this.#failed(error as Error);
      throw error;
    }
  }

  pause(): void {
    this.#wanted.pause = true;
  }

  save(): void {
    this.#wanted.save = true;
  }

  /** Ends it for good; the engine's memory is given back. */
  async close(): Promise<void> {
    await this.#events.return?.();
    await this.#maps?.dispose();
    this.#release();
  }

  get info(): RunInfo {
    return this.#info;
  }

  /** Takes an event; whether the run rests now. */
  async #on(event: TrainEvent): Promise<boolean> {
    switch (event.type) {
      case "step": {
        const { step, loss, accuracy, lr, images, seconds, gradientNorms } = event;
        this.#norms = this.#ofLayers(gradientNorms ?? {});
        const record = { step, loss, accuracy, lr, images, seconds };
        this.#steps.push(record);
        this.#listener({ type: "step", step: record });
        return false;
      }
      case "evaluating":
        this.#listener({ type: "evaluating", images: event.images, total: event.total });
        return false;
      case "epoch":
        await this.#measured(event);
        return false;
      case "checkpoint":
        return this.#checkpoint(event);
      case "end":
        await this.#tell({ state: "finished" });
        await this.close();
        return true;
      default:
        return false;
    }
  }

  async #measured(event: EpochEvent): Promise<void> {
    const { epoch, step, train, validation, utilisation, best } = event;
    const { loss, top1, top5, seconds, images, worst } = validation!;
    const predicted = Array.from(this.#labels);
    for (const mistake of worst) predicted[mistake.sample] = mistake.predicted;
    const sure = Object.fromEntries(worst.map(({ sample, probability }) => [sample, Math.round(100 * probability)]));
    const record: EpochRecord = {
      ...{ epoch, step, utilisation, best, predicted, sure },
      train: { loss: train.loss, accuracy: train.accuracy, images: train.images, seconds: train.seconds },
      validation: { loss, top1, top5, seconds, images },
    };
    this.#epochs.push(record);
    if (best) {
      this.#best = await event.weights();
      this.#info = { ...this.#info, best: { epoch, top1 } };
    }
    this.#listener({ type: "epoch", epoch: record });
  }

  async #checkpoint(event: Checkpoint): Promise<boolean> {
    const now = performance.now();
    const { pause, save } = this.#wanted;
    const isEpoch = event.progress.batch === 0;
    const due = now - this.#savedAt > Math.max(SAVE_EVERY, SAVE_SHARE * this.#saveTook);
    const momentDue = now - this.#momentAt > Math.max(this.#momentsEvery, SAVE_SHARE * this.#saveTook);
    if (pause || save || due || isEpoch) await this.#save(event);
    else if (momentDue) await this.#remember(event.progress.step, (await event.state()).tensors);
    this.#wanted.save = false;
    if (!pause) return false;
    // the last one ends by itself
    if (isEpoch && event.progress.epoch >= this.#info.settings.epochs) return false;
    await this.#tell({ state: "paused" });
    return true;
  }

  async #save(event: Checkpoint): Promise<void> {
    const start = performance.now();
    this.#unsaved = event;
    if (this.#best) await runs.writeBest(this.id, this.#best);
    this.#best = undefined;
    const state = await event.state();
    const { step } = event.progress;
    await this.#remember(step, state.tensors);
    await runs.writeMoments(this.id, this.#moments);
    await runs.writeState(this.id, { steps: this.#steps, epochs: this.#epochs }, state);
    this.#unsaved = undefined;
    this.#info = { ...this.#info, step };
    await runs.writeInfo(this.#info);
    this.#listener({ type: "info", info: this.#info });
    this.#savedAt = performance.now();
    this.#saveTook = this.#savedAt - start;
  }

  #ofLayers(norms: Readonly<Record<string, number>>): Snapshot["norms"] {
    return Object.fromEntries(
      [...this.#layers].flatMap(([key, layer]) => (key in norms ? [[layer, norms[key]!]] : [])),
    );
  }

  async #remember(step: number, tensors: ReadonlyMap<string, TensorData>): Promise<void> {
    if (this.#moments.at(-1)?.step === step) return;
    const weight = this.#filterKey ? tensors.get(this.#filterKey) : undefined;
    const snapshot: Snapshot = {
      step,
      ...(weight && { filters: filtersOf(weight.data as Float32Array, weight.shape) }),
      ...(this.#norms && { norms: this.#norms }),
      maps: (await this.#maps?.at(tensors)) ?? [],
    };
    this.#momentAt = performance.now();
    this.#moments.push(snapshot);
    if (this.#moments.length > MOMENTS) {
      const last = this.#moments.length - 1;
      this.#moments = this.#moments.filter((_, i) => i % 2 === 0 || i === last);
      this.#momentsEvery *= 2;
    }
    this.#listener({ type: "moment", snapshot });
  }

  /** Notes a new state of the run, here and for the next visit. */
  async #tell(change: Partial<RunInfo>): Promise<void> {
    const { problem: _, ...before } = this.#info;
    this.#info = { ...before, ...change };
    await runs.writeInfo(this.#info);
    this.#listener({ type: "info", info: this.#info });
  }

  async #failed(error: Error): Promise<void> {
    // with a full storage the training rests in memory, and can go on when there is room
    const isFull = error instanceof FullError;
    const state = isFull ? "paused" : error instanceof DivergedError ? "diverged" : "failed";
    const { problem: _, ...before } = this.#info;
    this.#info = { ...before, state, problem: error.message };
    await runs.writeInfo(this.#info).catch(() => undefined);
    this.#listener({ type: "info", info: this.#info });
    if (!isFull) await this.close().catch(() => undefined);
  }
}

/** The first image of a batch. */
const first = ({ dtype, shape, data }: TensorData): TensorData =>
  ({ dtype, shape: [1, ...shape.slice(1)], data: data.slice(0, data.length / shape[0]!) }) as TensorData;

/** Holds a run for this tab. Throws if another one has it. */
async function lock(id: string): Promise<() => void> {
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(`convnets run ${id}`, { ifAvailable: true }, (held) => {
        if (!held) {
          reject(new Error("this run is trained in another tab; go on there, or close that tab"));
          return undefined;
        }
        return new Promise<void>((release) => resolve(() => release()));
      })
      .catch(reject);
  });
}
