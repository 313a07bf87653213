import type { InferenceSession, Tensor as OrtTensor } from "onnxruntime-common";
import {
  asTensor,
  describe,
  formatShape,
  type Graph,
  isStatic,
  type Shape,
  sameShape,
  type TensorData,
  type TensorType,
  type Value,
  zeros,
} from "../graph/index.ts";
import { encode } from "../onnx/index.ts";
import type { Target } from "../operators/index.ts";
import { inPlace, lower, shallowFirst, simplify } from "../passes/index.ts";
import { type DeviceTensor, type Engine, EngineError, type Executable, type Feeds, type RunOptions } from "./engine.ts";
import { imageHint, list, message, typeText } from "./messages.ts";
import { type Download, type Ort, OrtDeviceTensor, ownArrays, unchanging } from "./ort-tensor.ts";
import { filesOf, productWeights } from "./ort-weights.ts";
import { type Parts, partsOf, runParts } from "./parts.ts";

export type { Ort };

/** Runs a task, at once or when those before it are done. */
export type Schedule = <T>(task: () => Promise<T>) => Promise<T>;

/** The memory of a GPU, as a build of ONNX Runtime gives access to it. */
export interface GpuMemory {
  /** Whether a run can write into tensors of former runs. If not, they are disposed when a run is told to. */
  readonly writesInto: boolean;
  /** Default: the tensor's own `getData`. */
  readonly download?: Download;
  /** Called after a run that kept these outputs. */
  readonly kept?: (outputs: readonly OrtTensor[]) => Promise<void>;
}

export interface OrtEngineOptions {
  readonly name: string;
  readonly target: Target;
  readonly session: InferenceSession.SessionOptions;
  /** How outputs are kept in the memory of a GPU, if they can be. */
  readonly gpu?: GpuMemory;
  /** Whether a run writes into tensors in JavaScript's memory, where those of all its outputs are given. */
  readonly writesInto?: boolean;
  /** Channels of a block in the engine's own layout of images; undefined if it has none. */
  readonly block?: () => Promise<number | undefined>;
  /** Whether large batches are computed in parts where possible, which takes less memory. */
  readonly inParts?: boolean;
  /** Threads that it computes on. Default 1. */
  readonly threads?: number;
  /** Default: tasks run at once. */
  readonly schedule?: Schedule;
  /** What to do about an error of ONNX Runtime, where its message does not say it. */
  readonly remedy?: (message: string) => string | undefined;
}

/** One task after another, in the order in which they were given. */
export function inTurn(): Schedule {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const next = last.then(task);
    last = next.catch(() => {});
    return next;
  };
}

/** An engine over ONNX Runtime, in whichever of its builds. */
export function ortEngine(ort: Ort, options: OrtEngineOptions): Engine {
  const { name, target, session, gpu, writesInto = false } = options;
  const { schedule = (task) => task(), remedy = () => undefined, block, threads, inParts = false } = options;
  const own = ownArrays(ort);
  return {
    name,
    target,
    ...(writesInto &&
      !gpu && {
        hold: ({ dtype, shape, data }: TensorData) =>
          new OrtDeviceTensor(new ort.Tensor(dtype as OrtTensor.Type, own(dtype, data), shape)),
      }),
    async compile(graph, { weights, keepOnDevice = false, replaces = new Map(), disposable, profile } = {}) {
      const kept: Compiled["kept"] = !keepOnDevice ? "no" : gpu ? "gpu" : writesInto ? "javascript" : "no";
      const sessionOptions: InferenceSession.SessionOptions = {
        // the passes above leave nothing to gain for graphs of training, and ONNX Runtime's take seconds for them
        graphOptimizationLevel: kept === "javascript" ? "disabled" : "all",
        // a plan of a run's memory is one more block, beside what the first run took, and makes no run faster
        enableMemPattern: false,
        logSeverityLevel: 3,
        ...session,
        ...(kept === "gpu" && { preferredOutputLocation: "gpu-buffer" }),
        ...(profile && { enableProfiling: true, profileFilePrefix: profile }),
      };
      try {
        const fixed = new Set(weights?.keys());
        const lowered = simplify(lower(graph, target, { fixed, block: await block?.(), threads }));
        const unwritten = { graph: lowered, inputs: new Map(), spent: new Map() };
        const written = kept === "javascript" ? inPlace(lowered, replaces, disposable) : unwritten;
        const ordered = kept === "javascript" ? shallowFirst(written.graph) : written.graph;
        const fed = new Map(block ? productWeights(lowered, weights) : []);
        const stored = new Map([...(weights ?? [])].filter(([name]) => !fed.has(name)));
        const separate = filesOf(lowered, stored);
        const bytes = encode(ordered, {
          ...(weights && { weights: stored }),
          external: new Map(
            [...separate].map(([name, { path, data }]) => [name, { location: path, offset: 0, length: data.length }]),
          ),
          ...(kept === "javascript" && { sequence: UNRETURNED }),
        });
        const model = own("uint8", bytes) as Uint8Array;
        const externalData = [...separate.values()].map(({ path, data }) => ({
          path,
          data: own("uint8", data) as Uint8Array,
        }));
        const created = await schedule(() => ort.InferenceSession.create(model, { ...sessionOptions, externalData }));
        const outputs = new Map([...ordered.outputs].map(([name, { shape }]) => [name, shape]));
        const fixedInputs = [...fed].map(([key, { dtype, shape, data }]) => [
          key,
          new ort.Tensor(dtype as OrtTensor.Type, own(dtype, unchanging(data)), shape),
        ]);
        return new OrtExecutable({
          ...{ ort, own, engine: name, graph: lowered, session: created, schedule, kept, gpu },
          ...{ outputs, overwritten: written.inputs, spent: written.spent, fed: Object.fromEntries(fixedInputs) },
          parts: inParts && kept === "no" ? partsOf(graph, weights) : undefined,
        });
      } catch (error) {
        const cause = message(error);
        const advice = remedy(cause);
        throw new EngineError(
          `${name} cannot compile the graph ${graph.name}: ${cause}${advice ? `; ${advice}` : ""}`,
          { cause: error },
        );
      }
    },
  };
}

interface Compiled {
  readonly ort: Ort;
  readonly own: ReturnType<typeof ownArrays>;
  readonly engine: string;
  readonly graph: Graph;
  readonly session: InferenceSession;
  /** Shapes of the session's outputs: those of the graph's, or others with as many elements. */
  readonly outputs: ReadonlyMap<string, Shape>;
  /** Weights that are inputs of the session. */
  readonly fed: Readonly<Record<string, OrtTensor>>;
  /** Inputs over which outputs may be written, by output. */
  readonly overwritten: ReadonlyMap<string, string>;
  /** Outputs of the session alone, computed in the memory of these inputs. */
  readonly spent: ReadonlyMap<string, string>;
  readonly schedule: Schedule;
  /**
   * Where outputs stay, to be written into by later runs: on the GPU, where ONNX Runtime binds inputs and outputs to the session
   * for a run, or in the memory of JavaScript.
   */
  readonly kept: "gpu" | "javascript" | "no";
  readonly gpu: GpuMemory | undefined;
  /** How large batches are divided; undefined if they are not. */
  readonly parts: Parts | undefined;
}

/**
 * An output that is never returned. ONNX Runtime's binding for Node writes into the tensors that it is given for outputs, and then
 * copies them all into new memory, which it returns: a gigabyte in a step of VGG16, which takes half as long again. But it refuses
 * to return a sequence, so that a run whose first output is one ends, all outputs written, with an error in place of the copies.
 * There is no need for it once the binding returns what it was given (github.com/microsoft/onnxruntime/pull/32346): a run that
 * ends without the error is right as well.
 */
const UNRETURNED = "convnets:unreturned";
const REFUSAL = "Non tensor type";

class OrtExecutable implements Executable {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly #compiled: Compiled;
  readonly #leaves: ReadonlyMap<string, Value>;
  /** Why it cannot run any more. */
  #ended: string | undefined;

  constructor(compiled: Compiled) {
    const { graph, session, fed } = compiled;
    this.#compiled = compiled;
    this.#leaves = new Map([...graph.inputs, ...graph.parameters].map((value) => [value.name, value]));
    this.inputs = session.inputNames.filter((name) => !fed[name]);
    this.outputs = [...graph.outputs.keys()];
  }

  async run(feeds: Feeds, options: RunOptions = {}): Promise<Record<string, DeviceTensor>> {
    const { into = {}, outputs = this.outputs } = options;
    const { session, schedule, kept, gpu, fed, spent, parts } = this.#compiled;
    this.#checkNames(feeds, outputs);
    const inputs = Object.fromEntries(this.inputs.map((name) => [name, this.#input(name, feeds[name])]));
    const written = Object.fromEntries(outputs.flatMap((name) => (into[name] ? [[name, into[name]]] : [])));
    const sizes = this.#checkTypes(inputs, written);
    const size = (parts && sizes.get(parts.batch)?.size) ?? 0;
    if (parts && size > parts.images) return this.#runParts(inputs, size, parts, outputs);
    const given = { ...this.#tensors(inputs), ...fed };
    const own = kept === "javascript";
    const isReplaced = kept === "gpu" && !gpu!.writesInto;
    const reused = kept === "no" || isReplaced ? {} : this.#tensors(written, kept === "gpu" ? "gpu-buffer" : "cpu");
    const overwritten = own ? this.#overwritten(inputs, outputs) : {};
    const fetches = Object.fromEntries(
      outputs.map((name) => [
        name,
        overwritten[name]?.tensor ?? reused[name] ?? (own ? this.#allocate(name, sizes) : null),
      ]),
    );
    const all = Object.values(fetches).every((tensor) => tensor !== null);
    const results = await schedule(async () => {
      this.#checkLive();
      if (isReplaced)
        for (const tensor of Object.values(written)) if (tensor instanceof OrtDeviceTensor) tensor.dispose();
      try {
        const asked = Object.entries(fetches).map(([name, tensor]) => [name, tensor && this.#asComputed(name, tensor)]);
        for (const [output, input] of spent) asked.push([output, this.#asComputed(output, given[input]!)]);
        if (own && all) asked.push([UNRETURNED, null]);
        const returned = await session.run(given, Object.fromEntries(asked) as InferenceSession.FetchesType);
        if (kept === "gpu") await gpu!.kept?.(Object.values(returned));
        return returned;
      } catch (error) {
        if (own && all && message(error).includes(REFUSAL)) return {};
        // what was bound for this run would stay so for the next
        if (kept === "gpu") this.#ended = "failed in an earlier run; compile it anew";
        if (Object.keys(overwritten).length > 0) this.#ended = HALF_DONE;
        throw this.#error(`failed to run: ${message(error)}`, error);
      }
    });
    return Object.fromEntries(
      outputs.map((name) => {
        const result = (own && fetches[name]) || this.#asDeclared(name, results[name]!);
        return [name, overwritten[name] ?? new OrtDeviceTensor(result, gpu?.download)];
      }),
    );
  }

  /** Runs a batch of this size part by part. */
  async #runParts(inputs: Feeds, size: number, parts: Parts, outputs: readonly string[]) {
    const names = new Set(this.#compiled.graph.inputs.map(({ name }) => name));
    const batches = Object.fromEntries(Object.entries(inputs).filter(([name]) => names.has(name)));
    const joined = await runParts(batches, size, parts, (part) => this.run({ ...inputs, ...part }, { outputs }));
    return Object.fromEntries(
      Object.entries(this.#tensors(joined)).map(([name, tensor]) => [name, new OrtDeviceTensor(tensor)]),
    );
  }

  /** The tensors of former runs among the inputs that outputs are written over, by output. */
  #overwritten(inputs: Feeds, outputs: readonly string[]): Record<string, OrtDeviceTensor> {
    const pairs = outputs.flatMap((name) => {
      const tensor = inputs[this.#compiled.overwritten.get(name) ?? ""];
      return tensor instanceof OrtDeviceTensor ? [[name, tensor] as const] : [];
    });
    return Object.fromEntries(pairs);
  }

  /** An output's memory in the shape in which the session computes it. */
  #asComputed(name: string, tensor: OrtTensor): OrtTensor {
    const shape = this.#compiled.outputs.get(name)!;
    const declared = this.#compiled.graph.outputs.get(name)?.shape;
    return declared && sameShape(shape, declared) ? tensor : tensor.reshape(shape as number[]);
  }

  /** An output of the session in the shape that the graph gives it. */
  #asDeclared(name: string, tensor: OrtTensor): OrtTensor {
    const { shape } = this.#compiled.graph.outputs.get(name)!;
    return sameShape(this.#compiled.outputs.get(name)!, shape) ? tensor : tensor.reshape(shape as number[]);
  }

  async dispose(): Promise<void> {
    if (this.#ended === DISPOSED) return;
    this.#ended = DISPOSED;
    await this.#compiled.schedule(() => this.#compiled.session.release());
  }

  /** ONNX Runtime's tensors; those alone that are at a place, if one is named. */
  #tensors(named: Feeds, place?: OrtTensor.DataLocation): Record<string, OrtTensor> {
    const tensors = Object.entries(named).map(([name, given]) => [name, this.#tensor(name, given)] as const);
    return Object.fromEntries(tensors.filter(([, { location }]) => place === undefined || location === place));
  }

  /** What was given for an input, with its numbers in the array of its type. */
  #input(name: string, given: TensorData | DeviceTensor | undefined): TensorData | OrtDeviceTensor {
    if (given instanceof OrtDeviceTensor) return given;
    const who = `the input "${name}"`;
    const { dtype, shape, read } = given as Partial<TensorData & DeviceTensor>;
    if (read) throw this.#error(`${who} is a tensor of another engine; give the numbers that its read() returns`);
    const wanted = this.#leaves.get(name);
    if (wanted && (!dtype || !shape)) {
      const sizes = wanted.shape.map((dim) => (typeof dim === "number" ? dim : 1));
      const example = `tensor("${wanted.dtype}", ${formatShape(sizes)}, data)`;
      throw this.#error(`${who} has to be ${typeText(wanted)}, such as ${example}, but got ${describe(given)}`);
    }
    try {
      return asTensor(given, who);
    } catch (error) {
      throw this.#error(message(error), error);
    }
  }

  #tensor(name: string, given: TensorData | DeviceTensor): OrtTensor {
    if (given instanceof OrtDeviceTensor) return given.tensor;
    const { dtype, shape, data } = given as TensorData;
    const { ort, own } = this.#compiled;
    try {
      return new ort.Tensor(dtype as OrtTensor.Type, own(dtype, data), shape);
    } catch (error) {
      throw this.#error(`"${name}" cannot be given to ONNX Runtime: ${message(error)}`, error);
    }
  }

  /** Memory for an output; none where its sizes are not told by those of the inputs. */
  #allocate(name: string, sizes: Sizes): OrtTensor | null {
    const { dtype, shape } = this.#compiled.graph.outputs.get(name)!;
    const known = shape.map((dim) => (typeof dim === "number" ? dim : (sizes.get(dim)?.size ?? dim)));
    return isStatic(known) ? this.#tensor(name, zeros(dtype, known)) : null;
  }

  #checkLive(): void {
    if (this.#ended) throw this.#error(this.#ended);
  }

  #checkNames(feeds: Feeds, outputs: readonly string[]): void {
    this.#checkLive();
    const missing = this.inputs.filter((name) => !feeds[name]);
    if (missing.length > 0) throw this.#error(this.#lack(missing, Object.keys(feeds)));
    const unknown = outputs.filter((name) => !this.outputs.includes(name));
    if (unknown.length > 0) throw this.#error(`there is no output ${list(unknown)}, only ${list(this.outputs)}`);
  }

  /** Says which inputs are missing, what was given instead, and how forgotten weights are given. */
  #lack(missing: readonly string[], given: readonly string[]): string {
    const { inputs, parameters } = this.#compiled.graph;
    const weights = new Set(parameters.map(({ name }) => name));
    const forgotten = missing.filter((name) => weights.has(name));
    const others = missing.filter((name) => !weights.has(name));
    const unknown = given.filter((name) => !this.inputs.includes(name) && !weights.has(name));

    const parts = [
      ...(others.length > 0 ? [`the input ${list(others)} is missing`] : []),
      ...(unknown.length > 0
        ? [`there is no input ${list(unknown)}, only ${list(inputs.map(({ name }) => name))}`]
        : []),
      ...(forgotten.length > 0
        ? [
            `the weights ${list(forgotten)} are missing; give them when compiling: engine.compile(graph, { weights: model.stateDict() })`,
          ]
        : []),
    ];
    return parts.join("; ");
  }

  /**
   * Types and shapes of what goes in, and of what is written into. A named size is the same wherever it stands; returns those
   * found.
   */
  #checkTypes(inputs: Feeds, written: Feeds): Sizes {
    const sizes: Sizes = new Map();
    const check = (kind: string, name: string, given: TensorType, wanted: TensorType | undefined) => {
      if (!wanted) return;
      const fits =
        given.dtype === wanted.dtype &&
        given.shape.length === wanted.shape.length &&
        wanted.shape.every((dim, axis) => typeof dim === "string" || dim === given.shape[axis]);
      if (!fits)
        throw this.#error(
          `the ${kind} "${name}" is ${typeText(given)}, but has to be ${typeText(wanted)}${imageHint(given.shape, wanted.shape)}`,
        );
      for (const [axis, dim] of wanted.shape.entries()) {
        const size = Number(given.shape[axis]);
        if (typeof dim === "number" || dim.includes("*")) continue;
        const known = sizes.get(dim);
        if (known && known.size !== size)
          throw this.#error(`${dim} is ${size} in the ${kind} "${name}", but ${known.size} in "${known.input}"`);
        if (!known) sizes.set(dim, { size, input: name });
      }
    };
    for (const [name, given] of Object.entries(inputs)) check("input", name, given, this.#leaves.get(name));
    const { outputs } = this.#compiled.graph;
    for (const [name, given] of Object.entries(written)) check("tensor for the output", name, given, outputs.get(name));
    return sizes;
  }

  #error(text: string, cause?: unknown): EngineError {
    const { engine, graph } = this.#compiled;
    return new EngineError(`${engine}, graph ${graph.name}: ${text}`, { cause });
  }
}

/** Sizes that a graph names, and an input that has them. */
type Sizes = Map<string, { readonly size: number; readonly input: string }>;

const DISPOSED = "was disposed already";
const HALF_DONE =
  "failed in the middle of an earlier run, which may have left its tensors half written; start over from a checkpoint";
