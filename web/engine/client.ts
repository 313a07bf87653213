/** Workers with an engine, as the page uses them: they start when they are needed, and can be stopped in the middle of a run. */
import { effect, signal } from "@preact/signals";
import * as Comlink from "comlink";
import type { Device, EngineInfo, WithEngine } from "./protocol.ts";

/** The engine that was loaded last, which the foot line names; "loading" while it is on its way. */
export const engine = signal<EngineInfo | "loading" | undefined>(undefined);

// a worker of the first visit loads it past the service worker, which would not have it when there is no connection
effect(() => {
  const { value } = engine;
  if (typeof value !== "object") return;
  navigator.serviceWorker?.ready.then(({ active }) => active?.postMessage({ keep: value.files }));
});

/** Thrown by a call that was under way when its worker was stopped. */
export class Stopped extends Error {
  override name = "Stopped";
}

/**
 * A worker that extends `WithEngine`. `start` makes it; Vite has to see `new Worker(new URL("./worker.ts", import.meta.url))` there:
 *
 *     const worker = new EngineWorker<Look>(() => new Worker(new URL("./worker.ts", import.meta.url), { type: "module" }));
 *     const result = await worker.call((api) => api.activations("conv1"));
 */
export class EngineWorker<Api extends WithEngine> {
  readonly #start: () => Worker;
  readonly #device: () => Device | undefined;
  #running: { readonly worker: Worker; readonly api: Comlink.Remote<Api>; readonly ready: Promise<void> } | undefined;
  readonly #calls = new Set<(error: Error) => void>();

  constructor(start: () => Worker, device: () => Device | undefined = () => undefined) {
    this.#start = start;
    this.#device = device;
  }

  /** Whether the worker runs; it keeps nothing when it is stopped. */
  get running(): boolean {
    return this.#running !== undefined;
  }

  /** Calls the worker, which is started and has its engine first. Throws `Stopped` if it is stopped meanwhile. */
  async call<T>(use: (api: Comlink.Remote<Api>) => Promise<T>): Promise<T> {
    this.#running ??= this.#launch();
    const { api, ready } = this.#running;
    let stop: (error: Error) => void = () => undefined;
    const stopped = new Promise<never>((_, reject) => {
      stop = reject;
    });
    this.#calls.add(stop);
    try {
      return await Promise.race([ready.then(() => use(api)), stopped]);
    } finally {
      this.#calls.delete(stop);
    }
  }

  /** Ends the worker at once, whatever it computes. The next call starts another. */
  stop(): void {
    this.#end(new Stopped("stopped"));
    if (engine.peek() === "loading") engine.value = undefined;
  }

  #end(error: Error): void {
    this.#running?.worker.terminate();
    this.#running = undefined;
    for (const stop of this.#calls) stop(error);
  }

  #launch() {
    const worker = this.#start();
    const api = Comlink.wrap<Api>(worker);
    engine.value = "loading";
    worker.addEventListener("error", (event) => {
      this.#end(new Error(event.message || "the worker that computes could not be started; reload the page"));
      engine.value = undefined;
    });
    const load = api.engine as unknown as (device?: Device) => Promise<EngineInfo>;
    const ready = load(this.#device()).then(
      (info) => {
        engine.value = info;
      },
      (error: Error) => {
        engine.value = undefined;
        if (this.#running?.worker === worker) this.#running = undefined;
        worker.terminate();
        throw error;
      },
    );
    return { worker, api, ready };
  }
}
