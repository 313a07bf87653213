import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-common";
import {
  type DType,
  formatShape,
  type Graph,
  type Shape,
  type TensorData,
  type TypedArray,
  type Value,
} from "../graph/index.ts";
import { encode } from "../onnx/index.ts";
import type { Target } from "../operators/index.ts";
import { lower, simplify } from "../passes/index.ts";
import {
  type CompileOptions,
  type DeviceTensor,
  type Engine,
  EngineError,
  type Executable,
  type Feeds,
  type RunOptions,
} from "./engine.ts";

/** The part of onnxruntime-node and onnxruntime-web that both have. */
export interface Ort {
  readonly InferenceSession: {
    create(model: Uint8Array, options: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
  readonly Tensor: new (type: OrtTensor.Type, data: TypedArray, dims: readonly number[]) => OrtTensor;
}

export interface OrtEngineOptions {
  readonly name: string;
  readonly target: Target;
  readonly session: InferenceSession.SessionOptions;
}

class OrtDeviceTensor implements DeviceTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly tensor: OrtTensor;

  constructor(tensor: OrtTensor) {
    this.tensor = tensor;
    this.dtype = tensor.type as DType;
    this.shape = tensor.dims;
  }

  async read(): Promise<TensorData> {
    return { dtype: this.dtype, shape: this.shape, data: (await this.tensor.getData()) as TypedArray } as TensorData;
  }

  dispose(): void {
    this.tensor.dispose();
  }
}

/** An engine over ONNX Runtime, in whichever of its builds. */
export function ortEngine(ort: Ort, { name, target, session }: OrtEngineOptions): Engine {
  return {
    name,
    target,
    async compile(graph, { weights, keepOnDevice = false, profile }: CompileOptions = {}) {
      const lowered = simplify(lower(graph, target, new Set(weights?.keys())));
      const options: InferenceSession.SessionOptions = {
        graphOptimizationLevel: "all",
        ...session,
        ...(keepOnDevice && target === "webgpu" && !process.env.NOKEEP && { preferredOutputLocation: "gpu-buffer" }),
        ...(profile && { enableProfiling: true, profileFilePrefix: profile }),
      };
      try {
        const bytes = encode(lowered, weights ? { weights } : {});
        return new OrtExecutable(ort, name, lowered, await ort.InferenceSession.create(bytes, options));
      } catch (error) {
        throw new EngineError(`${name} cannot compile the graph ${graph.name}: ${message(error)}`, { cause: error });
      }
    },
  };
}

class OrtExecutable implements Executable {
  readonly #ort: Ort;
  readonly #engine: string;
  readonly #graph: Graph;
  readonly #leaves: ReadonlyMap<string, Value>;
  #session: InferenceSession | undefined;

  constructor(ort: Ort, engine: string, graph: Graph, session: InferenceSession) {
    this.#ort = ort;
    this.#engine = engine;
    this.#graph = graph;
    this.#session = session;
    this.#leaves = new Map([...graph.inputs, ...graph.parameters].map((value) => [value.name, value]));
  }

  get inputs(): readonly string[] {
    return this.#session?.inputNames ?? [];
  }

  get outputs(): readonly string[] {
    return [...this.#graph.outputs.keys()];
  }

  async run(
    feeds: Feeds,
    { into = {}, outputs = this.outputs }: RunOptions = {},
  ): Promise<Record<string, DeviceTensor>> {
    const session = this.#session;
    if (!session) throw new EngineError(`${this.#engine}: the graph ${this.#graph.name} was disposed already`);
    const inputs: Record<string, OrtTensor> = {};
    for (const name of session.inputNames) {
      const given = feeds[name];
      if (!given) throw new EngineError(`${this.#engine}: the input "${name}" of ${this.#graph.name} is missing`);
      this.#checkType(name, given);
      inputs[name] = this.#tensor(given);
    }
    const fetches: Record<string, OrtTensor | null> = {};
    for (const name of outputs) fetches[name] = into[name] ? this.#tensor(into[name]) : null;
    try {
      const results = await session.run(inputs, fetches as InferenceSession.FetchesType);
      return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, new OrtDeviceTensor(tensor)]));
    } catch (error) {
      throw new EngineError(`${this.#engine} failed to run ${this.#graph.name}: ${message(error)}`, { cause: error });
    }
  }

  async dispose(): Promise<void> {
    await this.#session?.release();
    this.#session = undefined;
  }

  #tensor(given: TensorData | DeviceTensor): OrtTensor {
    if (given instanceof OrtDeviceTensor) return given.tensor;
    const { dtype, shape, data } = given as TensorData;
    return new this.#ort.Tensor(dtype as OrtTensor.Type, data, shape);
  }

  #checkType(name: string, { dtype, shape }: { dtype: DType; shape: Shape }): void {
    const wanted = this.#leaves.get(name);
    const fits =
      !wanted ||
      (dtype === wanted.dtype &&
        shape.length === wanted.shape.length &&
        wanted.shape.every((dim, axis) => typeof dim === "string" || dim === shape[axis]));
    if (fits) return;
    throw new EngineError(
      `${this.#engine}: the input "${name}" of ${this.#graph.name} is ${dtype}${formatShape(shape)}, but has to be ${wanted.dtype}${formatShape(wanted.shape)}`,
    );
  }
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
