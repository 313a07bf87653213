import { oneProcess } from "../cluster/index.ts";
import { inRounds, simplify } from "../passes/index.ts";
import { Chain } from "./chain.ts";
import type { TrainingStepOptions } from "./options.ts";
import { type BatchGraphs, next, type TrainingGraphs } from "./training-graph.ts";

/** What a graph of a step does; those of batches are compiled for each size. */
type Part = keyof BatchGraphs | "update";

/** Sizes of batches that a graph stays compiled for: full ones, and what is left at the end of an epoch. */
const SIZES = 2;

/** The graphs of a training step as an engine runs them, compiled when they are first asked for. */
export class CompiledGraphs {
  readonly #graphs: TrainingGraphs;
  readonly #options: TrainingStepOptions;
  readonly #isSharded: boolean;
  /** By what they do and the size of batches, those used last at the end. */
  readonly #chains = new Map<string, Promise<Chain>>();

  constructor(graphs: TrainingGraphs, options: TrainingStepOptions) {
    const { collective = oneProcess(), shards = collective.size } = options;
    this.#graphs = graphs;
    this.#options = options;
    this.#isSharded = shards > 1;
  }

  /** Whether shards normalize by the statistics of the whole batch, so that their graphs are cut where they exchange them. */
  get isSynchronized(): boolean {
    return this.#isSharded && this.#options.syncBatchNorm === true;
  }

  /** A graph, for batches of this many images if it is one of batches. */
  async of(part: Part, size?: number): Promise<Chain> {
    const key = `${part} ${size}`;
    const chain = this.#chains.get(key) ?? this.#compile(part, size);
    this.#chains.delete(key);
    this.#chains.set(key, chain);
    const sizes = [...this.#chains.keys()].filter((other) => other.startsWith(`${part} `));
    for (const oldest of sizes.slice(0, -SIZES)) await this.#drop(oldest);
    return chain;
  }

  /** Gives back the memory of graphs for batches of other sizes than these. */
  async release(sizes: readonly number[]): Promise<void> {
    const kept = ["update undefined", ...sizes.map((size) => ` ${size}`)];
    for (const key of [...this.#chains.keys()]) if (!kept.some((end) => key.endsWith(end))) await this.#drop(key);
  }

  /** Gives all memory back. */
  async dispose(): Promise<void> {
    for (const key of [...this.#chains.keys()]) await this.#drop(key);
  }

  async #drop(key: string): Promise<void> {
    const chain = this.#chains.get(key);
    this.#chains.delete(key);
    await (await chain)?.dispose();
  }

  #compile(part: Part, size: number | undefined): Promise<Chain> {
    const { engine, input } = this.#options;
    const isBatch = part !== "update";
    const isOpen = typeof input[0] !== "number";
    const graph = (isBatch && isOpen ? this.#graphs.forBatch(size!)[part] : this.#graphs[part])!;
    if (isBatch && this.isSynchronized) return Chain.compile(engine, inRounds(simplify(graph)));
    // several shards of a batch start from the same statistics
    const isShared = isBatch && this.#isSharded;
    const replaced = isShared ? [] : [...this.#graphs.state.keys(), ...this.#graphs.sums.keys()];
    return Chain.compile(engine, [graph], {
      replaces: new Map(replaced.map((name) => [next(name), name])),
      // the next step writes over the sums
      ...(this.#isSharded && !isBatch && { disposable: new Set(this.#graphs.sums.keys()) }),
    });
  }
}
