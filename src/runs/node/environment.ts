import { arch, availableParallelism, cpus, release, totalmem, type } from "node:os";
import { env } from "onnxruntime-common";
import type { Collective } from "../../cluster/index.ts";
import { VERSION } from "../../version.ts";

/** What a training runs on, as environment.json and the report show it, so that runs can be compared and repeated. */
export interface Environment {
  readonly convnets: string;
  readonly node: string;
  readonly onnxruntime: string;
  readonly system: string;
  readonly cpu: string;
  readonly cores: number;
  /** Threads that compute, in each rank. */
  readonly threads: number;
  /** With several ranks: how many, and on which hosts. */
  readonly ranks?: string;
  readonly memory: string;
  /** ISO 8601. */
  readonly started: string;
}

export function environment(
  { threads }: { readonly threads?: number | undefined },
  started: Date,
  { size, hosts }: Pick<Collective, "size" | "hosts"> = { size: 1, hosts: [] },
): Environment {
  const cores = availableParallelism();
  return {
    convnets: VERSION,
    node: process.version,
    onnxruntime: env.versions.common,
    system: `${type()} ${release()} ${arch()}`,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores,
    threads: threads ?? cores,
    ...(size > 1 && { ranks: `${size} on ${[...new Set(hosts)].join(", ")}` }),
    memory: `${(totalmem() / 2 ** 30).toFixed(1)} GiB`,
    started: started.toISOString(),
  };
}

/** Threads for each of the ranks on a host, which share its cores; undefined leaves it to the engine. */
export function threadsOf(config: { readonly threads?: number | undefined }, { size, local }: Collective) {
  if (config.threads !== undefined || size === 1) return config.threads;
  return Math.max(1, Math.min(availableParallelism(), Math.floor(cpus().length / local)));
}
