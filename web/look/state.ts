/** What Look inside shows: the network of the stage with a picture, and what is computed of them in the worker. */
import { batch, computed, effect, signal } from "@preact/signals";
import * as Comlink from "comlink";
import { EngineWorker, Stopped } from "../engine/client.ts";
import { route } from "../state/route.ts";
import { currentSource, network, rows } from "../state/stage.ts";
import { picture, toPixels } from "./picture.ts";
import type { Look, Maps, Opened, Overlay, OverlayKind, Pixels, Response, Score } from "./protocol.ts";

const worker = new EngineWorker<Look>(
  () => new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "look" }),
);

/** Whether the panel is on the page: nothing is computed before. */
export const active = signal(false);
export const opened = signal<Opened | undefined>(undefined);
export const scores = signal<readonly Score[]>([]);
export const maps = signal<Maps | undefined>(undefined);
export const overlay = signal<Overlay | undefined>(undefined);
/** What the overlay is about; the likeliest class if nobody chose one. */
export const chosenLabel = signal<number | undefined>(undefined);
export const response = signal<(Response & { readonly layer: string; readonly channel: number }) | undefined>(
  undefined,
);
/** Which channel that is; it does not change with every step. */
export const asked = computed(() => response.value && `${response.value.layer} ${response.value.channel}`);
export const problem = signal<string | undefined>(undefined);

/** What is under way, to be shown with a bar and a stop button. */
export interface Task {
  readonly name: "opening" | "seeing" | OverlayKind | "responding";
  readonly done?: number;
  readonly total?: number;
}
export const task = signal<Task | undefined>(undefined);

/** The layer whose maps are shown: the one that is selected, or the last one in it; without any, the first with weights. */
export const shownLayer = computed(() => {
  const { selected } = route.value;
  const known = opened.value?.layers ?? [];
  const found =
    selected === undefined
      ? undefined
      : (known.find((name) => name === selected) ?? known.findLast((name) => name.startsWith(`${selected}.`)));
  return found ?? rows.value.find(({ leaf, params, path }) => leaf && params > 0 && known.includes(path))?.path;
});

export const label = computed(() => chosenLabel.value ?? scores.value[0]?.label);

/** The picture as the network takes it. */
export const pixels = computed<Pixels | undefined>(() => {
  const size = opened.value;
  return size && toPixels(picture.value, size.width, size.height);
});

/** One run of a purpose: a later one takes its place, and what comes after its end changes no bar. */
class Run {
  static readonly #latest = new Map<string, Run>();
  readonly #purpose: string;
  #ended = false;

  constructor(purpose: string, shown: Task) {
    this.#purpose = purpose;
    Run.#latest.set(purpose, this);
    task.value = shown;
  }

  /** Forgets what is under way for a purpose, and ends it before its next step. */
  static drop(purpose: string): void {
    const before = Run.#latest.get(purpose);
    Run.#latest.delete(purpose);
    if (!before || before.#ended) return;
    task.value = undefined;
    if (worker.running) worker.call((api) => api.cancel() as Promise<void>).catch(() => undefined);
  }

  get isLatest(): boolean {
    return Run.#latest.get(this.#purpose) === this;
  }

  /** Moves the bar. Reports of progress may arrive after the result. */
  progress(shown: Task): void {
    if (this.isLatest && !this.#ended) task.value = shown;
  }

  end(name: Task["name"]): void {
    this.#ended = true;
    if (this.isLatest && task.peek()?.name === name) task.value = undefined;
  }
}

async function run(purpose: string, name: Task["name"], use: (run: Run) => Promise<void>): Promise<void> {
  const one = new Run(purpose, { name });
  try {
    await use(one);
  } catch (error) {
    const ended = error instanceof Stopped || /abort/i.test((error as Error).message);
    if (one.isLatest && !ended) problem.value = (error as Error).message;
  } finally {
    one.end(name);
  }
}

let openings = 0;
let open: { readonly network: unknown; readonly done: Promise<void> } | undefined;

/** Opens the network of the stage in the worker, unless it is there. */
function ensureOpen(): Promise<void> {
  const wanted = network.peek().value;
  if (open && open.network === wanted && worker.running) return open.done;
  const number = ++openings;
  const done = (async () => {
    const source = await currentSource();
    const found = await worker.call((api) => api.open(source) as Promise<Opened>);
    // a small network may be there before a large one that was asked for earlier
    if (number !== openings) return;
    if (JSON.stringify(opened.peek()) !== JSON.stringify(found)) opened.value = found;
  })();
  const mine = { network: wanted, done };
  open = mine;
  done.catch(() => {
    if (open === mine) open = undefined;
  });
  return done;
}

// another network: everything of the one before goes
effect(() => {
  const { value, busy } = network.value;
  if (!active.value || !value || busy || open?.network === value) return;
  batch(() => {
    for (const one of [opened, maps, overlay, response, chosenLabel, problem]) one.value = undefined;
    scores.value = [];
  });
  run("open", "opening", ensureOpen);
});

effect(() => {
  const shown = pixels.value;
  const layer = shownLayer.value;
  if (!active.value || !shown) return;
  run("see", "seeing", async (one) => {
    await ensureOpen();
    const sight = await worker.call((api) => api.see(shown, layer));
    if (!one.isLatest) return;
    batch(() => {
      problem.value = undefined;
      scores.value = sight.top;
      maps.value = sight.maps;
    });
  });
});

/** The layer that Grad-CAM takes: the selected one if it has maps. */
export const camLayer = computed(() => {
  const shown = maps.value;
  const hasMaps = shown && shown.shape.length === 3 && shown.shape[1]! * shown.shape[2]! > 1;
  const isSelected = route.value.selected !== undefined && shown?.layer === shownLayer.value;
  return hasMaps && isSelected ? shown.layer : opened.value?.last;
});

effect(() => {
  const kind = route.value.overlay;
  const [shown, about] = [pixels.value, label.value];
  const layer = kind === "cam" ? camLayer.value : undefined;
  overlay.value = undefined;
  if (!active.value || !kind || !shown || about === undefined) return Run.drop("overlay");
  run("overlay", kind, async (one) => {
    await ensureOpen();
    const progress = Comlink.proxy((done: number, total: number) => {
      one.progress({ name: kind, done, total });
    });
    const found = await worker.call((api) => api.overlay(shown, { kind, label: about, layer }, progress));
    if (one.isLatest) overlay.value = found;
  });
});

/** Looks for an image that a channel responds to. */
export function respond(layer: string, channel: number): void {
  response.value = undefined;
  run("respond", "responding", async (one) => {
    await ensureOpen();
    const onStep = Comlink.proxy((found: Response) => {
      if (!one.isLatest) return;
      response.value = { ...found, layer, channel };
      one.progress({ name: "responding", done: found.step, total: found.steps });
    });
    await worker.call((api) => api.respond(layer, channel, onStep));
  });
}

/** Puts the image that a channel responds to away. */
export function closeResponse(): void {
  Run.drop("respond");
  response.value = undefined;
}

/** Milliseconds that a step may still take after the stop button was pressed. */
const PATIENCE = 1200;

/** Stops what is under way: after its step, or, where that takes long, at once with the whole worker. */
export function stop(): void {
  const before = task.peek();
  if (!before) return;
  if (before.name !== "opening") worker.call((api) => api.cancel() as Promise<void>).catch(() => undefined);
  const end = () => {
    worker.stop();
    task.value = undefined;
  };
  if (before.name === "opening") end();
  else
    setTimeout(() => {
      if (task.peek()?.name === before.name) end();
    }, PATIENCE);
}
