import type { TensorData } from "../graph/index.ts";
import type { DeviceTensor, Executable, Feeds } from "../runtime/index.ts";
import { next } from "./training-graph.ts";

/** Named tensors that runs replace: what a run reads is `current`, what it may write into is `spare`. */
export class SwappedBuffers {
  current: Record<string, TensorData | DeviceTensor>;
  /** Tensors out of use, by the name of the output that fits. */
  readonly #unused = new Map<string, DeviceTensor[]>();

  constructor(start: ReadonlyMap<string, TensorData | DeviceTensor>) {
    this.current = Object.fromEntries(start);
  }

  get spare(): Record<string, DeviceTensor> {
    return Object.fromEntries([...this.#unused].flatMap(([name, [tensor]]) => (tensor ? [[name, tensor]] : [])));
  }

  async advance(executable: Executable, feeds: Feeds): Promise<Record<string, DeviceTensor>> {
    const results = await executable.run(feeds, { into: this.spare });
    this.take(results);
    return results;
  }

  /** Makes the results current; the tensors they replace are written into next. */
  take(results: Readonly<Record<string, DeviceTensor>>): void {
    for (const name of Object.keys(this.current)) {
      const result = results[next(name)];
      // an engine may have written over it
      if (!result || result === this.current[name]) continue;
      this.#unused.get(next(name))?.shift();
      this.#putAside(name);
      this.current[name] = result;
    }
  }

  /** Puts these numbers in place of what some of the tensors hold. */
  put(values: ReadonlyMap<string, TensorData>): void {
    for (const [name, value] of values) {
      this.#putAside(name);
      this.current[name] = value;
    }
  }

  /** Starts over from these numbers, in the same buffers. */
  restart(start: ReadonlyMap<string, TensorData>): void {
    for (const name of Object.keys(this.current)) this.#putAside(name);
    this.current = Object.fromEntries(start);
  }

  #putAside(name: string): void {
    const old = this.current[name]!;
    // the initial state is the caller's own memory
    if (!onDevice(old)) return;
    const unused = this.#unused.get(next(name));
    if (unused) unused.push(old);
    else this.#unused.set(next(name), [old]);
  }

  /** Lets these have the numbers as they are now, if that is JavaScript's memory: then there is one copy of them. */
  show(weights: readonly (readonly [name: string, shown: { data: TensorData | undefined }])[]): void {
    for (const [name, shown] of weights) {
      const now = this.current[name]!;
      const data = onDevice(now) ? now.local : now;
      if (data) shown.data = data;
    }
  }

  async read(): Promise<Map<string, TensorData>> {
    const entries = Object.entries(this.current).map(async ([name, tensor]) => {
      const data = onDevice(tensor) ? await tensor.read() : tensor;
      return [name, { ...data, data: data.data.slice() } as TensorData] as const;
    });
    return new Map(await Promise.all(entries));
  }

  dispose(): void {
    for (const tensor of [...Object.values(this.current), ...[...this.#unused.values()].flat()])
      if (onDevice(tensor)) tensor.dispose();
    this.#unused.clear();
  }
}

/** Whether an engine holds the tensor. */
export const onDevice = (tensor: TensorData | DeviceTensor): tensor is DeviceTensor => "read" in tensor;
