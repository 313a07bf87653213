import { Graph, type TensorData, zeros } from "../../../src/graph/index.ts";
import { Ops } from "../../../src/operators/index.ts";
import type { DeviceTensor } from "../../../src/runtime/engine.ts";
import { assert, assertEqual, assertFails, type Case, floats, measured, numbers, unary, using } from "../case.ts";

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

/** Graphs are compiled and run, with all that can be asked for. */
export const basics: Case[] = [
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

/** Mistakes are told with what is wrong and where. */
export const errors: Case[] = [
  {
    name: "names what is wrong with the inputs",
    async run(setting) {
      const engine = await setting.engine();
      await using(engine.compile(arithmetic()), async (executable) => {
        const name = engine.name;
        await assertFails(() => executable.run({ x: X }), name, "arithmetic", '"w"', "missing");
        await assertFails(() => executable.run({}), 'input "x" is missing', 'weights "w" are missing');
        await assertFails(() => executable.run({ image: X, w: W }), 'no input "image", only "x"');
        const raw = Float32Array.of(1, 2) as unknown as TensorData;
        await assertFails(
          () => executable.run({ x: raw, w: W }),
          'tensor("float32", [1, 2], data)',
          "Float32Array of 2",
        );
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
