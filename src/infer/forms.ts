import { check, formatShape, listed, type Shape, type TensorData } from "../graph/index.ts";
import { type Module, type Tensor, type Trace, trace } from "../nn/index.ts";
import { logSoftmax } from "../passes/index.ts";
import type { Engine, Executable, Feeds } from "../runtime/index.ts";

/** What is computed of a network's outputs, and its inputs in the order of `forward`, as a part of the graph. */
export type Heads = (
  outputs: Readonly<Record<string, Tensor>>,
  inputs: readonly Tensor[],
) => Readonly<Record<string, Tensor>>;

/** Options of `Forms`. */
export interface FormsOptions {
  readonly engine: Engine;
  /** Fixed when a form is compiled, which makes it faster. Without them, each run has to be fed all weights. */
  readonly weights?: ReadonlyMap<string, TensorData>;
  /** Default: the outputs themselves. */
  readonly heads?: Heads;
  /** Who asks, for messages. */
  readonly who: string;
}

/** A network compiled for inputs of one shape. */
interface Form {
  readonly executable: Executable;
  /** Shapes of the outputs, the batch size named "N". */
  readonly outputs: ReadonlyMap<string, Shape>;
}

interface Entry {
  readonly form: Promise<Form>;
  /** Runs that need it. */
  users: number;
  /** It goes when the last run is done. */
  leaving: boolean;
}

/** Forms that stay compiled; each holds the weights as the engine has packed them. */
const KEPT = 8;

/**
 * The evaluation form of a network, compiled for each shape of its inputs when it is first needed. The batch size stays open. The
 * eight shapes used last stay compiled.
 */
export class Forms {
  readonly #model: Module;
  readonly #options: FormsOptions;
  /** By shapes, in the order of their last use. */
  readonly #entries = new Map<string, Entry>();
  /** Open shapes that the network cannot be traced for. */
  readonly #fixed = new Set<string>();
  #disposed = false;

  constructor(model: Module, options: FormsOptions) {
    this.#model = model;
    this.#options = options;
  }

  /** Shapes of the outputs for inputs of these shapes, which are given in the order of `forward`. */
  async outputs(shapes: Readonly<Record<string, readonly number[]>>): Promise<ReadonlyMap<string, Shape>> {
    return this.#with(shapes, async ({ outputs }) => outputs);
  }

  /** Runs the network on inputs, given in the order of `forward`. */
  async run(inputs: Readonly<Record<string, TensorData>>, weights: Feeds = {}): Promise<Record<string, TensorData>> {
    const shapes = Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name, shape]));
    return this.#with(shapes, async ({ executable }) => {
      const results = await executable.run({ ...weights, ...inputs });
      const read = Object.entries(results).map(async ([name, tensor]) => {
        const data = await tensor.read();
        tensor.dispose();
        return [name, data] as const;
      });
      return Object.fromEntries(await Promise.all(read));
    });
  }

  /** Gives the engine's memory back when the runs in progress are done. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.all(entries.map(release));
  }

  async #with<T>(shapes: Readonly<Record<string, readonly number[]>>, use: (form: Form) => Promise<T>): Promise<T> {
    const entry = this.#entry(shapes);
    entry.users++;
    try {
      return await use(await entry.form);
    } finally {
      entry.users--;
      if (entry.leaving) await release(entry);
    }
  }

  #entry(shapes: Readonly<Record<string, readonly number[]>>): Entry {
    check(!this.#disposed, () => `${this.#options.who}: was disposed; compile the network again`);
    const open = openBatch(shapes);
    const known = this.#entries.get(JSON.stringify(open)) ?? this.#entries.get(JSON.stringify(shapes));
    const entry = known ?? { form: this.#compile(this.#trace(open, shapes)), users: 0, leaving: false };
    const key = JSON.stringify(this.#fixed.has(JSON.stringify(open)) ? shapes : open);
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (!known) entry.form.catch(() => this.#entries.delete(key));
    for (const [oldest, least] of this.#entries) {
      if (this.#entries.size <= KEPT) break;
      this.#entries.delete(oldest);
      void release(least);
    }
    return entry;
  }

  async #compile({ graph, inputs, outputs }: Trace): Promise<Form> {
    const { engine, weights, heads, who } = this.#options;
    const given = graph.parameters.map(({ name }) => name);
    if (heads) {
      const wanted = Object.entries(heads(outputs, inputs));
      graph.outputs.clear();
      for (const [name, { value }] of wanted) graph.output(name, value);
    }
    const missing = weights ? given.filter((name) => !weights.has(name)) : [];
    check(missing.length === 0, () => `${who}: the weights lack ${listed(missing)}`);
    const stable = logSoftmax(graph);
    const executable = await engine.compile(stable, weights ? { weights } : {});
    return { executable, outputs: new Map([...stable.outputs].map(([name, { shape }]) => [name, shape])) };
  }

  /** With an open batch size; a network that does not allow that is traced for the size at hand. */
  #trace(open: Readonly<Record<string, Shape>>, shapes: Readonly<Record<string, Shape>>): Trace {
    const options = { training: false, target: this.#options.engine.target };
    const fixed = this.#fixed.has(JSON.stringify(open));
    try {
      return trace(this.#model, fixed ? shapes : open, options);
    } catch (error) {
      if (fixed || open === shapes) throw explained(error as Error, shapes, this.#options.who);
    }
    try {
      const traced = trace(this.#model, shapes, options);
      this.#fixed.add(JSON.stringify(open));
      return traced;
    } catch (error) {
      throw explained(error as Error, shapes, this.#options.who);
    }
  }
}

/** Gives back the memory of a form, now or when its last run is done. */
async function release(entry: Entry): Promise<void> {
  entry.leaving = true;
  if (entry.users > 0) return;
  const form = await entry.form.catch(() => undefined);
  await form?.executable.dispose();
}

/** The shapes with a named batch size, if all inputs have the same. */
function openBatch(shapes: Readonly<Record<string, readonly number[]>>): Record<string, Shape> {
  const all = Object.values(shapes);
  if (!all.every(([N]) => N !== undefined && N === all[0]![0])) return shapes as Record<string, Shape>;
  return Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, ["N", ...shape.slice(1)]]));
}

/** What is most often wrong with images, as a hint after what the network says. */
function explained(error: Error, shapes: Readonly<Record<string, Shape>>, who: string): Error {
  const entries = Object.entries(shapes);
  const given = entries.map(([name, shape]) => `"${name}" ${formatShape(shape)}`).join(", ");
  const isNhwc = entries.some(([, shape]) => shape.length === 4 && isChannels(shape[3]) && !isChannels(shape[1]));
  const isSingle = entries.some(([, shape]) => shape.length === 3);
  const hint = isNhwc
    ? "; this looks like [N, H, W, C], but images are [N, C, H, W]: bring the channels to the second axis"
    : isSingle
      ? "; a network takes batches [N, C, H, W]: give a single image the shape [1, C, H, W]"
      : "";
  return new Error(`${who}: the network does not take ${given}${hint}: ${error.message}`, { cause: error });
}

const isChannels = (size: Shape[number] | undefined): boolean => size === 1 || size === 3 || size === 4;
