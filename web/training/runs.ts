/** Runs in the browser's storage. A folder holds what was asked for, what was measured, and the state to go on from. */
import { readWeights } from "convnets";
import { writeSafetensors } from "convnets/checkpoint";
import type { TensorData } from "convnets/graph";
import type { TrainConfig } from "convnets/runs";
import type { Progress, TrainingState } from "convnets/train";
import type {
  Course,
  DataSpec,
  EpochRecord,
  Listener,
  RunInfo,
  SeenMaps,
  Snapshot,
  StepRecord,
  Trainee,
} from "./protocol.ts";
import { folders, read, readJson, remove, write } from "./store.ts";

/** What never changes about a run. */
export interface Plan {
  readonly source: Trainee extends infer S ? (S extends { kind: "file" } ? Omit<S, "bytes"> : S) : never;
  readonly data: DataSpec;
  readonly config: TrainConfig;
  readonly device?: "webgpu" | "wasm";
}

/** What was measured. */
export interface Measured {
  readonly steps: readonly StepRecord[];
  readonly epochs: readonly EpochRecord[];
}

const at = (id: string, name: string) => ["runs", id, name];

export const writeInfo = (info: RunInfo) => write(at(info.id, "run.json"), JSON.stringify(info));

/** Writes down a new run, with the file of its network. */
export async function writePlan(info: RunInfo, plan: Plan, network: Uint8Array | undefined): Promise<void> {
  try {
    if (network) await write(at(info.id, "network.bin"), network);
    await write(at(info.id, "plan.json"), JSON.stringify(plan));
    await writeInfo(info);
  } catch (error) {
    await remove(["runs", info.id]);
    throw error;
  }
}

export async function readPlan(id: string): Promise<{ readonly plan: Plan; readonly source: Trainee }> {
  const plan = await readJson<Plan>(at(id, "plan.json"));
  if (!plan) throw new Error("this run was removed from the browser");
  if (plan.source.kind !== "file") return { plan, source: plan.source as Trainee };
  const bytes = await read(at(id, "network.bin"));
  if (!bytes) throw new Error(`the file ${plan.source.name} of this run was removed from the browser`);
  return { plan, source: { ...plan.source, bytes } as Trainee };
}

/** Runs, the newest first. One that was running when its tab ended rests. */
export async function runs(): Promise<readonly RunInfo[]> {
  const found = await Promise.all((await folders(["runs"])).map((id) => readInfo(id)));
  return found.filter((info) => info !== undefined).sort((a, b) => b.id.localeCompare(a.id));
}

export async function readInfo(id: string): Promise<RunInfo | undefined> {
  const info = await readJson<RunInfo>(at(id, "run.json"));
  return info?.state === "running" ? { ...info, state: "paused" } : info;
}

/** Notes why a run could not go on. */
export async function noteProblem(id: string, { message }: Error, listener: Listener): Promise<void> {
  const info = await readInfo(id);
  if (info) listener({ type: "info", info: { ...info, problem: message } });
}

export const removeRun = (id: string) => remove(["runs", id]);

/** Writes what a run needs to go on; the state comes last, so that it never knows more than the rest. */
export async function writeState(id: string, measured: Measured, state: TrainingState): Promise<void> {
  await write(at(id, "measured.json"), JSON.stringify(measured));
  const { progress, tensors } = state;
  await write(
    at(id, "state.safetensors"),
    writeSafetensors({ tensors: new Map(tensors), metadata: { progress: JSON.stringify(progress) } }),
  );
}

export async function readState(id: string): Promise<TrainingState | undefined> {
  const bytes = await read(at(id, "state.safetensors"));
  if (!bytes) return undefined;
  const { tensors, metadata } = await readWeights(bytes, { convert: "none" });
  return { tensors, progress: JSON.parse(metadata.progress!) as Progress, file: "the saved state" };
}

export const writeBest = (id: string, tensors: ReadonlyMap<string, TensorData>) =>
  write(at(id, "best.safetensors"), writeSafetensors({ tensors: new Map(tensors) }));

/** The weights of the best epoch; undefined before the first one. */
export async function readBest(id: string): Promise<ReadonlyMap<string, TensorData> | undefined> {
  const bytes = await read(at(id, "best.safetensors"));
  return bytes && (await readWeights(bytes)).tensors;
}

/** Writes the moments of a run that can be gone back to: filters and feature maps as tensors, norms as metadata. */
export async function writeMoments(id: string, moments: readonly Snapshot[]): Promise<void> {
  const tensors = new Map<string, TensorData>();
  for (const { step, filters, maps } of moments) {
    if (filters) tensors.set(`${step}`, { dtype: "float32", ...filters } as TensorData);
    for (const { layer, shape, data } of maps) tensors.set(`${step} ${layer}`, { dtype: "uint8", shape, data });
  }
  const norms = Object.fromEntries(moments.map(({ step, norms }) => [step, norms ?? null]));
  await write(at(id, "moments.safetensors"), writeSafetensors({ tensors, metadata: { norms: JSON.stringify(norms) } }));
}

async function readMoments(id: string): Promise<Snapshot[]> {
  const bytes = await read(at(id, "moments.safetensors"));
  if (!bytes) return [];
  const { tensors, metadata } = await readWeights(bytes, { convert: "none" });
  const norms = JSON.parse(metadata.norms ?? "{}") as Readonly<Record<string, Snapshot["norms"] | null>>;
  return Object.entries(norms).map(([step, found]) => {
    const filters = tensors.get(step) as Snapshot["filters"] | undefined;
    const maps = [...tensors].flatMap(([name, { shape, data }]) =>
      name.startsWith(`${step} `) ? [{ layer: name.slice(step.length + 1), shape, data } as unknown as SeenMaps] : [],
    );
    return { step: Number(step), maps, ...(filters && { filters }), ...(found && { norms: found }) };
  });
}

/** What was measured up to the saved state: what came after it will come again. */
export async function readCourse(id: string): Promise<Course> {
  const info = await readInfo(id);
  if (!info) throw new Error("this run was removed from the browser");
  const measured = (await readJson<Measured>(at(id, "measured.json"))) ?? { steps: [], epochs: [] };
  const done = (await readState(id))?.progress ?? { step: 0, epoch: 0 };
  const moments = (await readMoments(id)).filter(({ step }) => step <= done.step).sort((a, b) => a.step - b.step);
  return {
    info,
    steps: measured.steps.filter(({ step }) => step <= done.step),
    epochs: measured.epochs.filter(({ epoch }) => epoch < done.epoch),
    moments,
  };
}
