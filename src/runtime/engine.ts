import type { DType, Graph, TensorData } from "../graph/index.ts";
import type { Target } from "../operators/index.ts";

/** A tensor in the engine's memory, which may be that of a GPU. */
export interface DeviceTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Copies the numbers into memory that JavaScript sees. */
  read(): Promise<TensorData>;
  /** The numbers where they are, if that is JavaScript's memory. Later runs may write over them. */
  readonly local?: TensorData | undefined;
  /** Frees the memory; the tensor must not be used afterwards. */
  dispose(): void;
}

/** Tensors by the name of the input. */
export type Feeds = Readonly<Record<string, TensorData | DeviceTensor>>;

/** Options of one run. */
export interface RunOptions {
  /**
   * Tensors of former runs, or arrays, by output name and with the shape of the output, whose memory the engine may use for outputs.
   * Tensors must not be used after: a result may be one of them, or another.
   */
  into?: Feeds;
  /** Outputs wanted; all by default. */
  outputs?: readonly string[];
}

/** A compiled graph, ready to run. */
export interface Executable {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /**
   * Runs with inputs by name. Their numbers may be typed arrays of any realm, views on shared memory, bytes or plain arrays. Throws
   * an EngineError if an input is missing, or if its type or shape does not fit.
   */
  run(feeds: Feeds, options?: RunOptions): Promise<Record<string, DeviceTensor>>;
  dispose(): Promise<void>;
}

/** How a graph is compiled. */
export interface CompileOptions {
  /**
   * Numbers of the graph's parameters, such as `model.stateDict()`. Parameters left out become inputs. The engine may copy and pack
   * them, or read them where they are, so they must not change.
   */
  weights?: ReadonlyMap<string, TensorData>;
  /** Keep outputs where they were computed, for the next run, instead of copying them back. Default false. */
  keepOnDevice?: boolean;
  /**
   * Outputs that replace an input, as input by output: next weights that replace weights. Where the engine can and `keepOnDevice` is set, such
   * an output is written over a tensor of a former run that is given as its input: it is the same tensor afterwards, with other numbers.
   */
  replaces?: ReadonlyMap<string, string>;
  /** Inputs that nobody reads after a run, such as the gradients of an update. The engine may compute in their memory. */
  disposable?: ReadonlySet<string>;
  /** File to which the engine writes the time of each operator, where it can; for tuning. */
  profile?: string;
}

/** Runs graphs: `nodeEngine` of convnets/node, `webEngine` of convnets/web. */
export interface Engine {
  /** Such as "onnxruntime-node cpu, 2 threads". */
  readonly name: string;
  readonly target: Target;
  compile(graph: Graph, options?: CompileOptions): Promise<Executable>;
  /** Makes an array a tensor that runs may write over (`replaces`) or into, where the engine computes in JavaScript's memory. */
  hold?(data: TensorData): DeviceTensor;
}

/** Options that every engine has. */
export interface EngineOptions {
  /** Threads that compute; default: as many as there are physical cores. */
  threads?: number;
}

/** An error of an engine; the message says which engine and which graph. */
export class EngineError extends Error {
  override name = "EngineError";
}
