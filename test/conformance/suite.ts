/**
 * What every engine has to do, as named cases with plain assertions, so that they run in Node and in a browser alike. Each
 * implementation's own test only says how its engine is made and what can be measured of it.
 */
import { Graph, type TensorData, type Value, zeros } from "../../src/graph/index.ts";
import { type Module, trace } from "../../src/nn/index.ts";
import { Ops } from "../../src/operators/index.ts";
import { sgd } from "../../src/optim/index.ts";
import { Random } from "../../src/random.ts";
import { type DeviceTensor, type Engine, EngineError, type Executable } from "../../src/runtime/engine.ts";
import { oneHot, type TrainingBatch, TrainingStep } from "../../src/train/step.ts";
import { CLASSES, NETWORKS, type NetworkName } from "./networks.ts";
import reference from "./reference.json" with { type: "json" };

/** How an implementation is set up and measured. */
export interface Setting {
  engine(options?: { threads?: number }): Promise<Engine>;
  /** Numbers of threads that engines can be made with here; or why they mean nothing. */
  readonly threadCounts: readonly number[] | string;
  /** Begins to count threads that compute: the function tells how many there are; or why that cannot be told. */
  countThreads(): (() => number) | string;
  /** Bytes held by engines and their tensors, after garbage was collected; or why that cannot be told. */
  memory(): Promise<number> | string;
  /** Bytes read back from a GPU so far; or why there are none. */
  readBack(): number | string;
}

export interface Case {
  readonly name: string;
  /** Throws where the engine fails, and a Skip where the case does not apply. */
  run(setting: Setting): Promise<void>;
}

/** Thrown by a case that does not apply; the message is the reason. */
class Skip extends Error {
  override name = "Skip";
}

/** Runs one case; returns why it was skipped, if it was. */
export async function attempt({ run }: Case, setting: Setting): Promise<string | undefined> {
  try {
    await run(setting);
    return undefined;
  } catch (error) {
    if (error instanceof Skip) return error.message;
    throw error;
  }
}

/** Largest difference from PyTorch in float64, as a share of the largest element. */
const OUTPUT_TOLERANCE = 1e-4;
const LOSS_TOLERANCE = 1e-4;
const WEIGHT_TOLERANCE = 1e-3;
const MiB = 2 ** 20;

/** Runs that must not leak, and how often they may look as if they did. */
const RUNS = 1000;
const ROUNDS = 3;

function assert(condition: unknown, message: () => string): asserts condition {
  if (!condition) throw new Error(message());
}

function assertClose(given: ArrayLike<number>, wanted: readonly number[], tolerance: number, what: string): void {
  assert(given.length === wanted.length, () => `${what}: ${given.length} numbers instead of ${wanted.length}`);
  const largest = Math.max(...wanted.map(Math.abs));
  for (const [i, value] of wanted.entries()) {
    const close = Math.abs(given[i]! - value) <= tolerance * largest;
    assert(close, () => `${what}: number ${i} is ${given[i]}, not ${value}`);
  }
}

const assertEqual = (given: ArrayLike<number>, wanted: readonly number[], what: string) =>
  assertClose(given, wanted, 1e-6, what);

/** Demands an EngineError whose message says all of these. */
async function assertFails(attempt: () => Promise<unknown>, ...words: string[]): Promise<void> {
  const error = await attempt().then(
    () => undefined,
    (error: unknown) => error,
  );
  assert(error instanceof EngineError, () => `expected an EngineError about ${words.join(", ")}, got ${error}`);
  for (const word of words)
    assert(error.message.includes(word), () => `the error does not say "${word}": ${error.message}`);
}

function measured<T>(value: T | string): T {
  if (typeof value === "string") throw new Skip(value);
  return value;
}

const numbers = async (tensor: DeviceTensor | undefined) => Array.from((await tensor!.read()).data, Number);

const floats = (shape: readonly number[], data: readonly number[]): TensorData => ({
  dtype: "float32",
  shape,
  data: Float32Array.from(data),
});

/** x [N, 2], w [2] → sum = x + w, product = x · w */
function arithmetic(): Graph {
  const graph = new Graph("arithmetic");
  const g = new Ops(graph);
  const x = graph.input("x", "float32", ["N", 2]);
  const w = graph.parameter("w", "float32", [2]);
  graph.output("sum", g.add(x, w));
  graph.output("product", g.mul(x, w));
  return graph;
}

const X = floats([1, 2], [1, 2]);
const W = floats([2], [10, 20]);

/** A graph over x [N, width] with one output y. */
function unary(width: number, build: (g: Ops, x: Value) => Value): Graph {
  const graph = new Graph("unary");
  graph.output("y", build(new Ops(graph), graph.input("x", "float32", ["N", width])));
  return graph;
}

/** Uses an executable, and gives it back whatever happens. */
async function using<T>(compiled: Promise<Executable>, use: (executable: Executable) => Promise<T>): Promise<T> {
  const executable = await compiled;
  try {
    return await use(executable);
  } finally {
    await executable.dispose();
  }
}

/**
 * Demands that repeating a task leaves no memory behind: less than half of what it would, were the `bytes` kept that each run
 * takes. Memory is noisy, but a leak grows in every round.
 */
async function assertNoLeak(setting: Setting, task: () => Promise<void>, count: number, bytes: number): Promise<void> {
  await repeat(Math.ceil(count / 10), task);
  let grown = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const before = await measured(setting.memory());
    await repeat(count, task);
    grown = (await measured(setting.memory())) - before;
    if (grown < (count * bytes) / 2) return;
  }
  throw new Error(`${count} runs leave ${(grown / MiB).toFixed(1)} MiB behind, ${ROUNDS} times in a row`);
}

async function repeat(count: number, task: (i: number) => Promise<void>): Promise<void> {
  for (let i = 0; i < count; i++) await task(i);
}

const basics: Case[] = [
  {
    name: "runs with weights that are fixed, and with weights that are fed",
    async run(setting) {
      const engine = await setting.engine();
      await using(engine.compile(arithmetic(), { weights: new Map([["w", W]]) }), async (executable) => {
        assert(executable.inputs.join() === "x", () => `the inputs are ${executable.inputs}`);
        const { sum, product } = await executable.run({ x: X });
        assertEqual(await numbers(sum), [11, 22], "sum");
        assertEqual(await numbers(product), [10, 40], "product");
        assert(sum!.dtype === "float32" && sum!.shape.join() === "1,2", () => `sum is ${sum!.dtype}[${sum!.shape}]`);
      });
      await using(engine.compile(arithmetic()), async (executable) => {
        assert([...executable.inputs].sort().join() === "w,x", () => `the inputs are ${executable.inputs}`);
        for (const scale of [1, 2]) {
          const { sum } = await executable.run({ x: X, w: floats([2], [10 * scale, 20 * scale]) });
          assertEqual(await numbers(sum), [1 + 10 * scale, 2 + 20 * scale], "sum");
        }
      });
    },
  },
  {
    name: "takes any batch size where it is named: 1, 3, 8",
    async run(setting) {
      await using((await setting.engine()).compile(arithmetic()), async (executable) => {
        for (const N of [1, 3, 8]) {
          const x = Array.from({ length: 2 * N }, (_, i) => i);
          const { sum } = await executable.run({ x: floats([N, 2], x), w: W });
          assert(sum!.shape.join() === `${N},2`, () => `the shape is [${sum!.shape}] at batch ${N}`);
          const wanted = x.map((value, i) => value + (i % 2 === 0 ? 10 : 20));
          assertEqual(await numbers(sum), wanted, `batch ${N}`);
        }
      });
    },
  },
  {
    name: "computes only the outputs asked for",
    async run(setting) {
      await using((await setting.engine()).compile(arithmetic()), async (executable) => {
        assert(executable.outputs.join() === "sum,product", () => `the outputs are ${executable.outputs}`);
        for (const [name, wanted] of [["product", [10, 40]] as const, ["sum", [11, 22]] as const]) {
          const results = await executable.run({ x: X, w: W }, { outputs: [name] });
          assert(Object.keys(results).join() === name, () => `results are ${Object.keys(results)}`);
          assertEqual(await numbers(results[name]), [...wanted], name);
        }
      });
    },
  },
  {
    name: "feeds results to the next run, and writes into the tensors of former ones",
    async run(setting) {
      const engine = await setting.engine();
      await using(engine.compile(arithmetic(), { keepOnDevice: true }), async (executable) => {
        let current: TensorData | DeviceTensor = X;
        let spare: DeviceTensor | undefined;
        for (let step = 1; step <= 6; step++) {
          const into = spare ? { sum: spare } : {};
          const { sum }: Record<string, DeviceTensor> = await executable.run(
            { x: current, w: W },
            { into, outputs: ["sum"] },
          );
          assertEqual(await numbers(sum), [1 + 10 * step, 2 + 20 * step], `step ${step}`);
          spare = "read" in current ? current : undefined;
          current = sum!;
        }
      });
    },
  },
  {
    name: "keeps element types: bool, int64 and float32",
    async run(setting) {
      const graph = new Graph("types");
      const g = new Ops(graph);
      const x = graph.input("x", "float32", ["N", 3]);
      graph.output("positive", g.greater(x, g.scalar(0)));
      graph.output("largest", g.argMax(x, 1));
      await using((await setting.engine()).compile(graph), async (executable) => {
        const { positive, largest } = await executable.run({ x: floats([2, 3], [-1, 5, 2, 3, 0, -4]) });
        assert(positive!.dtype === "bool", () => `bool became ${positive!.dtype}`);
        assert(largest!.dtype === "int64", () => `int64 became ${largest!.dtype}`);
        assertEqual(await numbers(positive), [0, 1, 1, 1, 0, 0], "x > 0");
        assertEqual(await numbers(largest), [1, 0], "argMax");
      });
    },
  },
  {
    name: "several engines and executables work at once",
    async run(setting) {
      const engines = await Promise.all([setting.engine(), setting.engine()]);
      const factors = [2, 3, 5, 7];
      const executables = await Promise.all(
        factors.map((factor, i) => engines[i % 2]!.compile(unary(1, (g, x) => g.scale(x, factor)))),
      );
      const runs = factors.flatMap((factor, i) =>
        [1, 10, 100].map(async (value) => {
          const { y } = await executables[i]!.run({ x: floats([1, 1], [value]) });
          assertEqual(await numbers(y), [factor * value], `${factor} · ${value}`);
        }),
      );
      await Promise.all(runs);
      await Promise.all(executables.map((executable) => executable.dispose()));
    },
  },
  {
    name: "uses as many threads as it is told to",
    async run(setting) {
      for (const threads of measured(setting.threadCounts)) {
        const counted = measured(setting.countThreads());
        const engine = await setting.engine({ threads });
        await using(engine.compile(unary(4, (g, x) => g.relu(x))), async (executable) => {
          const { y } = await executable.run({ x: floats([1, 4], [-1, 2, -3, 4]) });
          assertEqual(await numbers(y), [0, 2, 0, 4], "relu");
          assert(counted() === threads, () => `${counted()} threads compute instead of ${threads}`);
        });
      }
    },
  },
];

const errors: Case[] = [
  {
    name: "names what is wrong with the inputs",
    async run(setting) {
      const engine = await setting.engine();
      await using(engine.compile(arithmetic()), async (executable) => {
        const name = engine.name;
        await assertFails(() => executable.run({ x: X }), name, "arithmetic", '"w"', "missing");
        await assertFails(() => executable.run({}), '"x", "w"', "missing");
        await assertFails(() => executable.run({ x: floats([2], [1, 2]), w: W }), '"x"', "float32[2]", "float32[N, 2]");
        await assertFails(() => executable.run({ x: floats([1, 3], [1, 2, 3]), w: W }), "float32[1, 3]", "[N, 2]");
        await assertFails(() => executable.run({ x: zeros("int32", [1, 2]), w: W }), '"x"', "int32[1, 2]", "float32");
        await assertFails(() => executable.run({ x: floats([2, 2], [1, 2]), w: W }), '"x"');
        await assertFails(() => executable.run({ x: X, w: W }, { outputs: ["total"] }), '"total"', '"sum"');
        const { sum } = await executable.run({ x: X, w: W });
        await assertFails(() => executable.run({ x: X, w: sum! }), '"w"', "float32[1, 2]");
        assertEqual(await numbers(sum), [11, 22], "a run after all these errors");
      });
    },
  },
  {
    name: "says where a named size differs between inputs",
    async run(setting) {
      const graph = new Graph("sized");
      const [a, b] = ["a", "b"].map((name) => graph.input(name, "float32", ["N", 1]));
      graph.output("y", new Ops(graph).add(a!, b!));
      await using((await setting.engine()).compile(graph), async (executable) => {
        const [two, three] = [floats([2, 1], [1, 2]), floats([3, 1], [1, 2, 3])];
        await assertFails(() => executable.run({ a: two, b: three }), "N is 3", '"b"', "2", '"a"');
        assertEqual(await numbers((await executable.run({ a: two, b: two })).y), [2, 4], "a run after the error");
      });
    },
  },
  {
    name: "says what it cannot compile",
    async run(setting) {
      const engine = await setting.engine();
      const graph = new Graph("impossible");
      const x = graph.input("x", "float32", [1]);
      const node = graph.add({ op: "NoSuchOperator", inputs: [x] }, [{ dtype: "float32", shape: [1] }]);
      graph.output("y", node.outputs[0]!);
      await assertFails(() => engine.compile(graph), engine.name, "impossible", "NoSuchOperator");
    },
  },
  {
    name: "refuses what was disposed",
    async run(setting) {
      const engine = await setting.engine();
      const executable = await engine.compile(arithmetic());
      const { sum } = await executable.run({ x: X, w: W });
      sum!.dispose();
      sum!.dispose();
      await assertFails(() => sum!.read(), "disposed");
      await assertFails(() => executable.run({ x: sum!, w: W }), "disposed");
      await executable.dispose();
      await executable.dispose();
      await assertFails(() => executable.run({ x: X, w: W }), "arithmetic", "disposed");
    },
  },
];

const memory: Case[] = [
  {
    name: `does not leak over ${RUNS} runs`,
    async run(setting) {
      const width = 16_384;
      const engine = await setting.engine();
      const x = zeros("float32", [1, width]);
      for (const keepOnDevice of [false, true]) {
        await using(
          engine.compile(
            unary(width, (g, x) => g.relu(x)),
            { keepOnDevice },
          ),
          async (executable) => {
            const once = async () => (await executable.run({ x })).y!.dispose();
            await assertNoLeak(setting, once, RUNS, 4 * width);
          },
        );
      }
    },
  },
];

/** Learning rate and seed of the images, the same as in reference.py. */
const RATE = 0.003;
const SEED = 5;

/** Images of a network, the same as in reference.py. */
function images(name: NetworkName, from: number, to: number): TensorData {
  const [C, H, W] = NETWORKS[name].image;
  const size = C * H * W;
  const random = new Random(SEED, "images");
  const all = Float32Array.from({ length: to * size }, () => -1 + 2 * random.uniform());
  return { dtype: "float32", shape: [to - from, C, H, W], data: all.slice(from * size) };
}

function batch(name: NetworkName, from: number, to: number): TrainingBatch {
  const random = new Random(SEED, "labels");
  const labels = Array.from({ length: to }, () => random.integer(CLASSES)).slice(from);
  return { input: images(name, from, to), target: oneHot(labels, CLASSES) };
}

const create = (name: NetworkName): Module => NETWORKS[name].create().initialize(1);

const names = Object.keys(NETWORKS) as NetworkName[];

const inference = names.map(
  (name): Case => ({
    name: `inference of ${name} equals PyTorch's, at batches of 1, 3 and 8`,
    async run(setting) {
      const engine = await setting.engine();
      const { graph } = trace(create(name).eval(), ["N", ...NETWORKS[name].image], { target: engine.target });
      const weights = create(name).stateDict();
      const wanted: Readonly<Record<string, readonly number[]>> = reference[name].outputs;
      for (const fixed of [true, false]) {
        await using(engine.compile(graph, fixed ? { weights } : {}), async (executable) => {
          for (const N of fixed ? [1, 3, 8] : [3]) {
            const feeds = { input: images(name, 0, N), ...(!fixed && Object.fromEntries(weights)) };
            const results = await executable.run(feeds);
            for (const [output, expected] of Object.entries(wanted)) {
              const what = `${output} at batch ${N}, weights ${fixed ? "fixed" : "fed"}`;
              assertClose(await numbers(results[output]), expected.slice(0, N * CLASSES), OUTPUT_TOLERANCE, what);
            }
          }
        });
      }
    },
  }),
);

const training = names.map(
  (name): Case => ({
    name: `training ${name} gives PyTorch's losses and weights`,
    async run(setting) {
      const { losses, correct, norms } = reference[name];
      const step = await trainingStep(setting, name);
      try {
        for (const [i, wanted] of losses.entries()) {
          const from = (i % 2) * 4;
          const result = await step.run(batch(name, from, from + 4), RATE);
          const close = Math.abs(result.loss - wanted) <= LOSS_TOLERANCE * Math.abs(wanted);
          assert(close, () => `loss ${i} is ${result.loss}, not ${wanted}`);
          assert(result.correct === correct[i], () => `step ${i} has ${result.correct} right, not ${correct[i]}`);
        }
        const weights = await step.weights();
        for (const [key, wanted] of Object.entries(norms)) {
          const norm = normOf(weights.get(key)!);
          const close = Math.abs(norm - wanted) <= WEIGHT_TOLERANCE * wanted + 1e-6;
          assert(close, () => `the norm of ${key} is ${norm}, not ${wanted}`);
        }
      } finally {
        await step.dispose();
      }
    },
  }),
);

const normOf = ({ data }: TensorData) =>
  Math.sqrt(Array.from(data, Number).reduce((sum, value) => sum + value ** 2, 0));

async function trainingStep(setting: Setting, name: NetworkName): Promise<TrainingStep> {
  return TrainingStep.create(create(name), {
    engine: await setting.engine(),
    input: ["N", ...NETWORKS[name].image],
    optimizer: sgd({ momentum: 0.9, weightDecay: 5e-4 }),
    clipNorm: 1e6,
  });
}

const state: Case[] = [
  {
    name: "a training step keeps its state where it computes, and keeps none of what it replaced",
    async run(setting) {
      measured(setting.readBack());
      const step = await trainingStep(setting, "vgg");
      try {
        const data = batch("vgg", 0, 4);
        const once = async () => void (await step.run(data, RATE));
        await repeat(3, once);
        const start = measured(setting.readBack());
        await repeat(5, once);
        const perStep = (measured(setting.readBack()) - start) / 5;
        assert(perStep < 1024, () => `a step reads back ${perStep} bytes`);
        const state = [...(await step.state()).values()];
        const bytes = state.reduce((sum, { data }) => sum + data.byteLength, 0);
        await assertNoLeak(setting, once, 10, bytes);
      } finally {
        await step.dispose();
      }
    },
  },
  {
    name: "a training state that was read can be restored, and goes on as before",
    async run(setting) {
      const step = await trainingStep(setting, "nin");
      try {
        const data = batch("nin", 0, 4);
        await repeat(3, async () => void (await step.run(data, RATE)));
        const kept = await step.state();
        const { loss } = await step.run(data, RATE);
        await step.run(data, RATE);
        step.restore(kept, 3);
        const again = await step.run(data, RATE);
        assert(again.loss === loss, () => `the loss is ${again.loss} after restoring, and was ${loss}`);
      } finally {
        await step.dispose();
      }
    },
  },
];

export const SUITE: readonly Case[] = [...basics, ...errors, ...inference, ...training, ...state, ...memory];
