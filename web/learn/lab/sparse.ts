/** Sparse structure, dense computation: one layer, all of its connections or a part of them, in several ways. */
import { type Engine, Graph, Random, type TensorData, tensor } from "convnets";
import { Ops } from "convnets/operators";
import type { Question, SparseResult, Timing } from "./protocol.ts";

export const CHANNELS = 256;
/** Side of the maps, as in the middle of GoogLeNet. */
export const SIDE = 14;
const PIXELS = SIDE * SIDE;
/** Milliseconds and runs for each way, after one to warm up. */
const BUDGET = 350;
const MOST = 40;

const random = (name: string, count: number) => {
  const source = new Random(0, name);
  return Float32Array.from({ length: count }, () => source.uniform() - 0.5);
};

/** Which inputs each output reads: `kept` of all, chosen at random, in order. */
export function connections(kept: number): readonly Int32Array[] {
  const source = new Random(0, "connections");
  return Array.from({ length: CHANNELS }, () => Int32Array.from(source.permutation(CHANNELS).subarray(0, kept)).sort());
}

interface Way {
  readonly name: Timing["name"];
  readonly macs: number;
  run(): Promise<unknown> | unknown;
  dispose?(): Promise<void>;
}

export async function sparse(
  { parts }: Extract<Question, { kind: "sparse" }>,
  engine: Engine,
  report: (result: SparseResult) => void,
): Promise<void> {
  const kept = CHANNELS / parts;
  const chosen = connections(kept);
  const x = tensor("float32", [CHANNELS, PIXELS], random("x", CHANNELS * PIXELS));
  const all = random("weight", CHANNELS * CHANNELS);
  const some = new Float32Array(CHANNELS * CHANNELS);
  chosen.forEach((row, o) => {
    for (const i of row) some[o * CHANNELS + i] = all[o * CHANNELS + i]!;
  });
  const list = Float32Array.from(chosen.flatMap((row, o) => Array.from(row, (i) => all[o * CHANNELS + i]!)));
  const total = CHANNELS * CHANNELS * PIXELS;
  const makers: (() => Promise<Way> | Way)[] = [
    async () => ({ name: "dense", macs: total, ...(await matrix(engine, x, all)) }),
    async () => ({ name: "zeros", macs: total / parts, ...(await matrix(engine, x, some)) }),
    async () => ({ name: "blocks", macs: total / parts, ...(await blocks(engine, x, parts)) }),
    async () => ({ name: "gathered", macs: total / parts, ...(await gathered(engine, x, chosen, list)) }),
    () => ({ name: "loop", macs: total / parts, run: loop(x.data, chosen, list) }),
  ];
  const timings: Timing[] = [];
  for (const make of makers) {
    const way = await make();
    timings.push(await time(way));
    await way.dispose?.();
    report({ kind: "sparse", timings: [...timings], done: timings.length === makers.length });
  }
}

async function time({ name, macs, run }: Way): Promise<Timing> {
  await run();
  const taken: number[] = [];
  const end = performance.now() + BUDGET;
  while (taken.length < MOST && (taken.length < 3 || performance.now() < end)) {
    const start = performance.now();
    await run();
    taken.push(performance.now() - start);
  }
  taken.sort((a, b) => a - b);
  return { name, macs, ms: taken[Math.floor(taken.length / 2)]!, runs: taken.length };
}

async function ready(engine: Engine, graph: Graph, weights: Record<string, TensorData>, x: TensorData) {
  const executable = await engine.compile(graph, { weights: new Map(Object.entries(weights)) });
  return {
    async run() {
      for (const one of Object.values(await executable.run({ x }))) one.dispose();
    },
    dispose: () => executable.dispose(),
  };
}

/** weight [O, I] · x [I, P] → y [O, P] */
function matrix(engine: Engine, x: TensorData, weight: Float32Array) {
  const graph = new Graph("dense");
  const input = graph.input("x", "float32", x.shape);
  const w = graph.parameter("w", "float32", [CHANNELS, CHANNELS]);
  graph.output("y", new Ops(graph, { target: engine.target }).matmul(w, input));
  return ready(engine, graph, { w: tensor("float32", [CHANNELS, CHANNELS], weight) }, x);
}

/** As many connections, gathered into small dense matrices: w [G, O / G, I / G] · x [G, I / G, P] */
function blocks(engine: Engine, x: TensorData, parts: number) {
  const size = CHANNELS / parts;
  const graph = new Graph("blocks");
  const input = graph.input("x", "float32", [parts, size, PIXELS]);
  const w = graph.parameter("w", "float32", [parts, size, size]);
  graph.output("y", new Ops(graph, { target: engine.target }).matmul(w, input));
  const weight = tensor("float32", [parts, size, size], random("blocks", parts * size * size));
  return ready(engine, graph, { w: weight }, { ...x, shape: [parts, size, PIXELS] });
}

/** The inputs of each output are collected first: w [O, 1, k] · x[index] [O, k, P] */
function gathered(engine: Engine, x: TensorData, chosen: readonly Int32Array[], list: Float32Array) {
  const kept = chosen[0]!.length;
  const graph = new Graph("gathered");
  const input = graph.input("x", "float32", x.shape);
  const index = graph.parameter("index", "int64", [CHANNELS, kept]);
  const w = graph.parameter("w", "float32", [CHANNELS, 1, kept]);
  const ops = new Ops(graph, { target: engine.target });
  graph.output("y", ops.matmul(w, ops.one("Gather", [input, index], { axis: 0 })));
  const places = BigInt64Array.from(chosen.flatMap((row) => Array.from(row, BigInt)));
  const weights = { index: tensor("int64", [CHANNELS, kept], places), w: tensor("float32", [CHANNELS, 1, kept], list) };
  return ready(engine, graph, weights, x);
}

/** The plain way: for every connection that is kept, its weight times the map of its input, in JavaScript. */
function loop(x: Float32Array, chosen: readonly Int32Array[], list: Float32Array): () => void {
  const y = new Float32Array(CHANNELS * PIXELS);
  return () => {
    y.fill(0);
    let at = 0;
    chosen.forEach((row, o) => {
      for (const i of row) {
        const weight = list[at++]!;
        const [from, to] = [i * PIXELS, o * PIXELS];
        for (let p = 0; p < PIXELS; p++) y[to + p]! += weight * x[from + p]!;
      }
    });
  };
}
