/** The worker that trains; `protocol.ts` has its messages. */
import * as Comlink from "comlink";
import { datasets, openData, partsOf, picturesOf, preview, removeData } from "./data.ts";
import { exportRun } from "./exports.ts";
import { importFiles, importImages } from "./import.ts";
import { proposalOf } from "./plan.ts";
import type { Listener, Order, Pace, RunInfo, Trainer } from "./protocol.ts";
import * as runs from "./runs.ts";
import { Session } from "./session.ts";
import { newId } from "./store.ts";

/** The run whose engine is loaded. */
let session: Session | undefined;
/** Whether a pause was asked for while it was still being opened. */
let opening: { pause: boolean } | undefined;
/** Resolves when the run that goes on now rests. */
let going: Promise<unknown> = Promise.resolve();

/** Lets the current run rest, saved, and gives its engine's memory back. */
async function leave(): Promise<void> {
  if (opening) opening.pause = true;
  session?.pause();
  await going.catch(() => undefined);
  await session?.close();
  session = undefined;
}

async function create({ title, source, data, asked, device }: Order): Promise<RunInfo> {
  const opened = await openData(data);
  const { settings, input, parameters, classes, train, config } = await proposalOf(source, opened, asked);
  const info: RunInfo = {
    ...{ id: newId(), title, data: opened.name, created: new Date().toISOString(), state: "paused" },
    ...{ settings, classes, input, parameters, step: 0 },
    stepsPerEpoch: Math.ceil(train / settings.batchSize),
  };
  const { bytes, ...kept } = source as typeof source & { readonly bytes?: Uint8Array };
  await runs.writePlan(info, { source: kept, data, config, ...(device && { device }) } as runs.Plan, bytes);
  return info;
}

async function go(id: string, pace: Pace, listener: Listener): Promise<void> {
  const asked = { pause: false };
  opening = asked;
  try {
    session ??= await Session.open(id, listener);
  } catch (error) {
    await runs.noteProblem(id, error as Error, listener);
    throw error;
  } finally {
    opening = undefined;
  }
  const running = session;
  try {
    await running.go(asked.pause ? "step" : pace, listener);
  } finally {
    if (running.info.state !== "paused" && session === running) session = undefined;
  }
}

const trainer: Trainer = {
  datasets,
  importImages,
  importFiles,
  removeData,
  preview,
  async propose(source, data, asked) {
    return proposalOf(source, await openData(data), asked);
  },

  async runs() {
    const found = await runs.runs();
    return found.map((info) => (info.id === session?.id ? session.info : info));
  },

  async open(id) {
    const course = await runs.readCourse(id);
    const { plan } = await runs.readPlan(id);
    const labels = await openData(plan.data).then(
      (data) => partsOf(data, course.info.settings).validation.labels,
      () => undefined,
    );
    return { ...course, ...(labels && { labels: Array.from(labels) }) };
  },

  async removeRun(id) {
    if (session?.id === id) await leave();
    await runs.removeRun(id);
  },

  async pictures(id, samples) {
    const { plan } = await runs.readPlan(id);
    const info = await runs.readInfo(id);
    if (!info) return [];
    return picturesOf(partsOf(await openData(plan.data), info.settings).validation, samples);
  },

  create,

  async go(id, pace, listener) {
    if (session?.id !== id) await leave();
    going = go(id, pace, listener);
    await going;
  },

  pause() {
    if (opening) opening.pause = true;
    session?.pause();
  },

  async stop(id) {
    if (session?.id === id) await leave();
    const info = await runs.readInfo(id);
    if (!info) throw new Error("this run was removed from the browser");
    if (info.state !== "paused") return info;
    const stopped: RunInfo = { ...info, state: "stopped" };
    await runs.writeInfo(stopped);
    return stopped;
  },

  save: () => session?.save(),
  exportRun,
};

Comlink.expose(trainer);
