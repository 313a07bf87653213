/** Runs step.mjs and ddp.py. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** What a run of step.mjs or ddp.py prints. */
export interface Measured {
  readonly network: string;
  readonly ranks: number;
  readonly batch: number;
  /** Gradients. */
  readonly floats: number;
  /** Of a step, median. */
  readonly seconds: number;
  readonly communication: number;
  readonly imagesPerSecond: number;
  /** Peak of the largest process in bytes. */
  readonly memory: number;
  /** Seconds of sums by their length in numbers; without steps only. */
  readonly sums: Readonly<Record<string, number>>;
}

const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));

function measured(words: readonly string[]): Measured {
  const env = {
    ...process.env,
    ...{ OMPI_ALLOW_RUN_AS_ROOT: "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1" },
    NOTE_MODELS: process.env.NOTE_MODELS ?? here("../../../shared/seed"),
  };
  const { stdout, stderr, status } = spawnSync(words[0]!, words.slice(1), { encoding: "utf8", env, timeout: 600_000 });
  const line = stdout?.split("\n").find((text) => text.startsWith("{"));
  if (status !== 0 || line === undefined) throw new Error(`${words.join(" ")} ended with ${status}: ${stderr}`);
  return JSON.parse(line);
}

/** Steps of convnets; `launcher` starts the ranks. */
export const ours = (launcher: readonly string[], network: string, batch: number, steps: number): Measured =>
  measured([...launcher, process.execPath, here("step.mjs"), network, `${batch}`, `${steps}`]);

const python = process.env.PYTHON_TORCH ?? process.env.PYTHON ?? "/usr/bin/python3";

/** Steps of PyTorch's DistributedDataParallel. */
export const ddp = (ranks: number, network: string, batch: number, steps: number): Measured =>
  measured([python, here("ddp.py"), network, `${batch}`, `${steps}`, `${ranks}`]);
