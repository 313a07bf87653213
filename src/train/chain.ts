import { check, type Graph, type TensorData } from "../graph/index.ts";
import { KEPT, RECEIVED, SENT } from "../passes/index.ts";
import type { CompileOptions, DeviceTensor, Engine, Executable, Feeds, RunOptions } from "../runtime/index.ts";

type Results = Record<string, DeviceTensor>;

/** A graph that was cut into segments, each compiled by itself; most have one. */
export class Chain implements Executable {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly segments: readonly Executable[];
  /** For each kept value, the last segment that reads it. */
  readonly #last: ReadonlyMap<string, number>;
  /** Memory of kept values that nobody reads any more, by type and shape. */
  readonly #unused = new Map<string, DeviceTensor[]>();
  readonly #kinds: ReadonlyMap<string, string>;

  private constructor(graphs: readonly Graph[], segments: readonly Executable[]) {
    const between = (name: string) => name.startsWith(KEPT);
    this.segments = segments;
    this.inputs = [...new Set(segments.flatMap(({ inputs }) => inputs))].filter((name) => !between(name));
    this.outputs = segments.flatMap(({ outputs }) => outputs).filter((name) => !between(name));
    this.#last = new Map(segments.flatMap(({ inputs }, i) => inputs.filter(between).map((name) => [name, i] as const)));
    this.#kinds = new Map(
      graphs.flatMap(({ outputs }) => [...outputs].map(([name, value]) => [name, kindOf(value)] as const)),
    );
  }

  static async compile(
    engine: Engine,
    graphs: readonly Graph[],
    options: Pick<CompileOptions, "replaces" | "disposable"> = {},
  ): Promise<Chain> {
    const segments: Executable[] = [];
    for (const graph of graphs) segments.push(await engine.compile(graph, { ...options, keepOnDevice: true }));
    return new Chain(graphs, segments);
  }

  /** Runs a graph of one segment; for others there is `runTogether`. */
  run(feeds: Feeds, options?: RunOptions): Promise<Results> {
    const [only, ...others] = this.segments;
    check(others.length === 0, () => "a graph in several segments has to be run with those of the other shards");
    return only!.run(feeds, options);
  }

  /** Runs one segment; what later segments need is among the results. */
  async runSegment(index: number, feeds: Feeds, into: Feeds): Promise<Results> {
    const segment = this.segments[index]!;
    const reused = segment.outputs.flatMap((name) => {
      const tensor = name.startsWith(KEPT) ? this.#unused.get(this.#kinds.get(name)!)?.pop() : undefined;
      return tensor ? [[name, tensor] as const] : [];
    });
    return segment.run(feeds, { into: { ...into, ...Object.fromEntries(reused) } });
  }

  /** Takes back the memory of what no segment after this one reads. */
  release(index: number, kept: Results): void {
    for (const [name, tensor] of Object.entries(kept)) {
      if (this.#last.get(name)! > index) continue;
      const kind = kindOf(tensor);
      const unused = this.#unused.get(kind) ?? [];
      this.#unused.set(kind, [...unused, tensor]);
      delete kept[name];
    }
  }

  async dispose(): Promise<void> {
    for (const tensor of [...this.#unused.values()].flat()) tensor.dispose();
    this.#unused.clear();
    for (const segment of this.segments) await segment.dispose();
  }
}

const kindOf = ({ dtype, shape }: { readonly dtype: string; readonly shape: readonly unknown[] }) =>
  `${dtype}[${shape}]`;

/** One run of a chain among others. */
export interface Job {
  readonly chain: Promise<Chain>;
  readonly feeds: Feeds;
  /** Memory for outputs. */
  readonly into: Feeds;
}

/** Gives the vectors of all shards for those of these jobs. */
export type Exchanged = (own: readonly Float32Array[]) => Promise<readonly Float32Array[]>;

/**
 * Runs jobs segment by segment, each segment of all of them before the next. Between segments, the vectors that they send are
 * exchanged with those of all shards. The chains are of one graph, for batches of any size.
 */
export async function runTogether(jobs: readonly Job[], exchange: Exchanged): Promise<Results[]> {
  const results: Results[] = jobs.map(() => ({}));
  const kept: Results[] = jobs.map(() => ({}));
  let received: Record<string, TensorData> = {};
  const chains = await Promise.all(jobs.map(({ chain }) => chain));
  const count = chains[0]?.segments.length ?? 0;
  for (let index = 0; index < count; index++) {
    const sent: [name: string, values: Float32Array][][] = [];
    for (const [i, { feeds, into }] of jobs.entries()) {
      const chain = chains[i]!;
      const made = await chain.runSegment(index, { ...feeds, ...kept[i], ...received }, into);
      const own: (typeof sent)[number] = [];
      for (const [name, tensor] of Object.entries(made)) {
        if (name.startsWith(KEPT)) kept[i]![name] = tensor;
        else if (name.startsWith(SENT)) {
          own.push([name, (await tensor.read()).data as Float32Array]);
          tensor.dispose();
        } else results[i]![name] = tensor;
      }
      chain.release(index, kept[i]!);
      sent.push(own);
    }
    if (index + 1 < count) received = { ...received, ...(await exchangedBy(exchange, sent)) };
  }
  return results;
}

/** What comes back for the vectors of these jobs, [shards, K] each. */
async function exchangedBy(
  exchange: Exchanged,
  sent: readonly (readonly (readonly [name: string, values: Float32Array])[])[],
): Promise<Record<string, TensorData>> {
  const all = await exchange(sent.map((own) => joined(own.map(([, values]) => values))));
  let at = 0;
  return Object.fromEntries(
    sent[0]!.map(([name, { length }]) => {
      const data = joined(all.map((vector) => vector.subarray(at, at + length)));
      at += length;
      return [`${RECEIVED}${name.slice(SENT.length)}`, { dtype: "float32", shape: [all.length, length], data }];
    }),
  );
}

function joined(vectors: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(vectors.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const vector of vectors) {
    whole.set(vector, at);
    at += vector.length;
  }
  return whole;
}
