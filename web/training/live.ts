/** The runs that were opened in this page, and what happens in them. */
import { batch, computed, effect, signal } from "@preact/signals";
import * as Comlink from "comlink";
import { engine } from "../engine/client.ts";
import type { Device, EngineInfo } from "../engine/protocol.ts";
import { go, route } from "../state/route.ts";
import { inOwnFrame } from "../ui/frames.ts";
import { trainer } from "./client.ts";
import type {
  Course,
  EpochRecord,
  Order,
  Pace,
  RunInfo,
  RunState,
  Snapshot,
  StepRecord,
  TrainingEvent,
} from "./protocol.ts";

/** What a run does at the moment, beyond its state. */
export type Phase = "resting" | "compiling" | "running" | "pausing";

/** A run with signals that change as it goes on. */
export class Live {
  readonly info = signal<RunInfo>(undefined as never);
  readonly steps: StepRecord[];
  readonly epochs: EpochRecord[];
  readonly moments: Snapshot[];
  readonly labels: readonly number[] | undefined;
  /** Change when something was measured: with a step, a moment, an epoch. */
  readonly changed = { steps: signal(0), moments: signal(0), epochs: signal(0) };
  readonly phase = signal<Phase>("resting");
  /** Share of the validation set that is evaluated; undefined while it trains. */
  readonly evaluating = signal<number | undefined>(undefined);
  readonly engine = signal<EngineInfo | undefined>(undefined);

  constructor({ info, steps, epochs, moments, labels }: Course) {
    this.info.value = info;
    this.steps = [...steps];
    this.epochs = [...epochs];
    this.moments = [...moments];
    this.labels = labels;
  }

  take(event: TrainingEvent): void {
    switch (event.type) {
      case "compiling":
        break;
      case "engine":
        engine.value = event.engine;
        this.engine.value = event.engine;
        break;
      case "step":
        this.evaluating.value = undefined;
        if (this.phase.peek() === "compiling") this.phase.value = "running";
        this.steps.push(event.step);
        break;
      case "evaluating":
        this.evaluating.value = event.images / event.total;
        break;
      case "epoch":
        this.evaluating.value = undefined;
        this.epochs.push(event.epoch);
        break;
      case "moment":
        this.moments.push(event.snapshot);
        break;
      case "info":
        this.info.value = event.info;
        noteRun(event.info);
        break;
      default:
        event satisfies never;
    }
    const { steps, moments, epochs } = this.changed;
    for (const part of event.type === "moment" ? [moments] : event.type === "epoch" ? [steps, epochs] : [steps])
      inOwnFrame(part, () => {
        part.value += 1;
      });
  }
}

/** All runs of this browser, the newest first. */
export const runs = signal<readonly RunInfo[]>([]);
const lives = signal<ReadonlyMap<string, Live>>(new Map());
/** Why a run of the address cannot be shown. */
export const openProblem = signal<string | undefined>(undefined);

/** The run that is shown, and the one whose curves are beside it. */
export const live = computed(() => (route.value.run ? lives.value.get(route.value.run) : undefined));
export const beside = computed(() => (route.value.beside ? lives.value.get(route.value.beside) : undefined));

function noteRun(info: RunInfo): void {
  const others = runs.peek().filter(({ id }) => id !== info.id);
  runs.value = [...others, info].sort((a, b) => b.id.localeCompare(a.id));
}

export const listRuns = async () => {
  runs.value = await trainer.runs();
};
listRuns().catch(() => undefined);

async function open(id: string): Promise<Live> {
  const known = lives.peek().get(id);
  if (known) return known;
  const course = await trainer.open(id);
  const made = lives.peek().get(id) ?? new Live(course);
  lives.value = new Map([...lives.peek(), [id, made]]);
  return made;
}

effect(() => {
  const { run, beside } = route.value;
  openProblem.value = undefined;
  for (const id of [run, beside])
    if (id)
      open(id).catch((error: Error) => {
        openProblem.value = error.message;
      });
});

/** Lets a run go on. Its problems are part of its info. */
export async function goOn(id: string, pace: Pace): Promise<void> {
  const run = await open(id);
  run.phase.value = run.phase.peek() === "resting" ? "compiling" : run.phase.peek();
  const listener = Comlink.proxy((event: TrainingEvent) => run.take(event));
  try {
    await trainer.go(id, pace, listener);
  } catch (error) {
    const { message } = error as Error;
    if (run.info.peek().problem !== message) run.info.value = { ...run.info.peek(), problem: message };
  } finally {
    batch(() => {
      run.phase.value = "resting";
      run.evaluating.value = undefined;
    });
  }
}

/** Writes down a new run, shows it, and starts it. */
export async function start(order: Order): Promise<void> {
  const info = await trainer.create(order);
  noteRun(info);
  const before = route.peek();
  // the curves of the run before stay for comparison, if it trained on the same images
  const earlier = runs.peek().find(({ id }) => id === (before.run ?? before.beside));
  const same = earlier && earlier.data === info.data && earlier.step > 0;
  go({ run: info.id, beside: same ? earlier.id : before.run && before.beside });
  await goOn(info.id, "run");
}

export function pause(run: Live): void {
  run.phase.value = "pausing";
  trainer.pause();
}

export async function stop(run: Live): Promise<void> {
  run.phase.value = "pausing";
  const { id } = run.info.peek();
  try {
    const info = await trainer.stop(id);
    run.info.value = info;
    noteRun(info);
  } finally {
    run.phase.value = "resting";
  }
}

export async function removeRun(id: string): Promise<void> {
  await trainer.removeRun(id);
  const rest = new Map(lives.peek());
  rest.delete(id);
  const { run, beside } = route.peek();
  batch(() => {
    if (run === id) go({ run: undefined });
    if (beside === id) go({ beside: undefined });
    lives.value = rest;
    runs.value = runs.peek().filter((info) => info.id !== id);
  });
}

/** Whether a run can go on. */
export const canGoOn = (state: RunState): boolean => state === "paused" || state === "stopped";

// the lid closes, or another tab is shown: what was trained so far is kept
document.addEventListener("visibilitychange", () => {
  if (document.hidden) trainer.save();
});

export type { Device };
