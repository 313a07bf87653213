import type { DType, Graph, TensorData } from "../graph/index.ts";
import type { Target } from "../operators/index.ts";

/** A tensor where the engine computes, which may be the memory of a GPU. */
export interface DeviceTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Copies the numbers into memory that JavaScript sees. */
  read(): Promise<TensorData>;
  /** Gives the memory back; the tensor must not be used after. */
  dispose(): void;
}

export type Feeds = Readonly<Record<string, TensorData | DeviceTensor>>;

export interface RunOptions {
  /**
   * Tensors of former runs, by output name and with the shape of the output, whose memory the engine may use for outputs. They
   * must not be used after: a result may be one of them, or another.
   */
  into?: Readonly<Record<string, DeviceTensor>>;
  /** Outputs wanted; all by default. */
  outputs?: readonly string[];
}

/** A graph made ready to run. */
export interface Executable {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Runs with inputs by name. Throws an EngineError where one is missing, or its type or shape does not fit. */
  run(feeds: Feeds, options?: RunOptions): Promise<Record<string, DeviceTensor>>;
  dispose(): Promise<void>;
}

export interface CompileOptions {
  /** Numbers of the graph's parameters, fixed at once: the engine may pack them. Parameters without become inputs. */
  weights?: ReadonlyMap<string, TensorData>;
  /** Keep outputs where they were computed, for the next run, instead of copying them back. Default false. */
  keepOnDevice?: boolean;
  /** File to which the engine writes the time of each operator, where it can; for tuning. */
  profile?: string;
}

/** Something that runs graphs. */
export interface Engine {
  /** Such as "onnxruntime-node cpu, 2 threads". */
  readonly name: string;
  readonly target: Target;
  compile(graph: Graph, options?: CompileOptions): Promise<Executable>;
}

export interface EngineOptions {
  /** Threads that compute; default: as many as there are physical cores. */
  threads?: number;
}

/** An error of an engine; the message says which engine and which graph. */
export class EngineError extends Error {
  override name = "EngineError";
}
