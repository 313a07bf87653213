/** The experiment that runs, and what those before it measured. */
import { signal } from "@preact/signals";
import * as Comlink from "comlink";
import { EngineWorker, Stopped } from "../../engine/client.ts";
import type { Lab, LabResult, Question } from "./protocol.ts";

const worker = new EngineWorker<Lab>(
  () => new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "lab" }),
);

const keyOf = (question: Question) => JSON.stringify(question);

/** What was measured, by question. A reload forgets it: it is measured again then. */
const results = signal<ReadonlyMap<string, LabResult>>(new Map());
/** The question under way. */
const running = signal<string | undefined>(undefined);
/** Counts starts and stops, so that reports of an earlier run are told from those of the latest. */
let latest = 0;
const failure = signal<{ readonly key: string; readonly message: string } | undefined>(undefined);

export const resultOf = (question: Question): LabResult | undefined => results.value.get(keyOf(question));
export const isRunning = (question: Question): boolean => running.value === keyOf(question);
export const failureOf = (question: Question): string | undefined =>
  failure.value?.key === keyOf(question) ? failure.value.message : undefined;

/** Starts an experiment; another one that is under way ends. */
export async function start(question: Question): Promise<void> {
  stop();
  const key = keyOf(question);
  const run = ++latest;
  running.value = key;
  failure.value = undefined;
  // the last report may arrive after the call has ended
  const report = Comlink.proxy((result: LabResult) => {
    if (run === latest) results.value = new Map(results.peek()).set(key, result);
  });
  try {
    await worker.call((api) => api.run(question, report));
  } catch (error) {
    if (!(error instanceof Stopped)) failure.value = { key, message: (error as Error).message };
  } finally {
    if (run === latest) running.value = undefined;
  }
}

/** Ends the experiment that is under way, at once. */
export function stop(): void {
  if (running.peek() === undefined) return;
  latest++;
  running.value = undefined;
  worker.stop();
}
