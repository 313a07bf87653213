/** A worker thread that makes batches: opens the set once, then answers requests one after the other. */
import { parentPort, workerData } from "node:worker_threads";
import { type BatchRequest, type BatchSettings, makeBatch } from "../batch.ts";
import type { DatasetSource } from "../dataset.ts";
import { compileTransforms, type Transform } from "../transforms.ts";
import { openSource } from "./source.ts";

/** What a worker starts with. */
export interface WorkerSettings extends BatchSettings {
  readonly source: DatasetSource;
  readonly name: string;
  readonly classes: readonly string[];
  readonly transforms: readonly Transform[];
}

/** A batch to make, or `null` to finish; not `undefined`, which Deno delivers as null. */
export type WorkerRequest = { readonly id: number; readonly request: BatchRequest } | null;

const port = parentPort;
if (!port) throw new Error("this module runs in a worker thread; use workerLoader");

const { source, name, classes, transforms, ...settings } = workerData as WorkerSettings;
const pipeline = compileTransforms(transforms);
const dataset = openSource(source, name, classes);

let turn: Promise<unknown> = dataset;
port.on("message", function answer(message: WorkerRequest) {
  if (message === null) {
    // without a listener the thread ends; Deno's port has no close()
    port.off("message", answer);
    return;
  }
  const { id, request } = message;
  turn = turn.then(async () => {
    try {
      const made = await makeBatch(await dataset, pipeline, request, settings);
      const buffers = [made.images, made.labels, made.samples, made.targets].flatMap((array) => array?.buffer ?? []);
      port.postMessage({ id, made }, buffers as ArrayBuffer[]);
    } catch (error) {
      port.postMessage({ id, error: error instanceof Error ? error.message : String(error) });
    }
  });
});
