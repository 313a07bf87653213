import { arch, availableParallelism, cpus, release, totalmem, type } from "node:os";
import { env } from "onnxruntime-common";
import { VERSION } from "../../version.ts";

/** What a training runs on, as environment.json and the report show it, so that runs can be compared and repeated. */
export interface Environment {
  readonly convnets: string;
  readonly node: string;
  readonly onnxruntime: string;
  readonly system: string;
  readonly cpu: string;
  readonly cores: number;
  /** Threads that compute. */
  readonly threads: number;
  readonly memory: string;
  /** ISO 8601. */
  readonly started: string;
}

export function environment({ threads }: { readonly threads?: number | undefined }, started: Date): Environment {
  const cores = availableParallelism();
  return {
    convnets: VERSION,
    node: process.version,
    onnxruntime: env.versions.common,
    system: `${type()} ${release()} ${arch()}`,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores,
    threads: threads ?? cores,
    memory: `${(totalmem() / 2 ** 30).toFixed(1)} GiB`,
    started: started.toISOString(),
  };
}
