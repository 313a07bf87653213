import fc from "fast-check";
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { Graph, tensor, type Value } from "../../src/graph/index.ts";
import { encode } from "../../src/onnx/index.ts";
import { Ops } from "../../src/operators/index.ts";
import { foldConstants } from "../../src/passes/index.ts";
import { Random } from "../../src/random.ts";

/** Random arithmetic of shapes over an image [N, 3, 4, 6], as exporters write it; every step is an output. */
function arithmetic(seed: number): Graph {
  const random = new Random(seed);
  const graph = new Graph();
  const ops = new Ops(graph);
  const x = graph.input("x", "float32", ["N", 3, 4, 6]);
  const pick = <T>(items: readonly T[]): T => items[random.integer(items.length)]!;
  const vectors: Value[] = [ops.one("Shape", [x]), ops.ints([2]), ops.ints([3, 1])];
  const scalars: Value[] = [ops.scalar(2, "int64"), ops.one("Size", [x])];
  const whole = (op: string, a: Value, b: Value) => ops.one(op, [a, b]);
  const vector = () => pick(vectors);
  const sizeOf = (value: Value) => value.shape[0] as number;
  const steps: (() => void)[] = [
    () => {
      const v = vector();
      scalars.push(ops.one("Gather", [v, ops.scalar(random.integer(2 * sizeOf(v)) - sizeOf(v), "int64")], { axis: 0 }));
    },
    () => {
      const v = vector();
      const picked = Array.from({ length: 1 + random.integer(3) }, () => random.integer(sizeOf(v)));
      vectors.push(ops.one("Gather", [v, ops.ints(picked)], { axis: 0 }));
    },
    () => {
      const v = vector();
      const step = pick([1, 1, 2, -1]);
      const [start, end] = step > 0 ? [0, sizeOf(v)] : [-1, -100];
      vectors.push(ops.slice(v, [[0, start, end, step]]));
    },
    () => vectors.push(ops.concat([vector(), vector()], 0)),
    () => vectors.push(ops.one("Unsqueeze", [pick(scalars), ops.ints([0])])),
    () => vectors.push(whole(pick(["Add", "Mul", "Sub"]), vector(), pick(scalars))),
    () => scalars.push(whole(pick(["Add", "Mul", "Max", "Min"]), pick(scalars), pick(scalars))),
    () => vectors.push(whole(pick(["Div", "Mod"]), vector(), ops.scalar(1 + random.integer(4), "int64"))),
    () => vectors.push(ops.one("Neg", [vector()])),
    () => scalars.push(ops.one(pick(["ReduceProd", "ReduceMax", "ReduceMin"]), [vector()], { keepdims: 0 })),
    () => {
      const scaled = ops.scale(ops.cast(vector(), "float32"), pick([0.5, 1.5, 2]));
      vectors.push(ops.cast(ops.one(pick(["Floor", "Ceil"]), [scaled]), "int64"));
    },
    () => {
      const v = vector();
      vectors.push(ops.where(ops.equal(v, ops.scalar(-1, "int64")), ops.scalar(7, "int64"), v));
    },
    () => {
      const v = vector();
      // pairs turned, as padding is told
      const square = ops.one("Reshape", [ops.concat([v, v], 0), ops.ints([2, -1])]);
      vectors.push(ops.one("Reshape", [ops.transpose(square, [1, 0]), ops.ints([-1])]));
    },
    () => {
      const v = vector();
      const ones = ops.one("ConstantOfShape", [ops.ints([sizeOf(v)])], {
        value: tensor("int64", [1], BigInt64Array.of(5n)),
      });
      vectors.push(ops.add(ones, v));
    },
  ];
  for (let i = 0; i < 14; i++) pick(steps)();
  const values = [...vectors, ...scalars].filter(
    (value) => graph.producer(value) && (value.shape.length === 0 || sizeOf(value) < 200),
  );
  values.forEach((value, i) => {
    graph.output(`y${i}`, value);
  });
  return graph;
}

async function run(graph: Graph, batch: number): Promise<Record<string, string>> {
  const session = await ort.InferenceSession.create(encode(graph), {
    graphOptimizationLevel: "disabled",
    logSeverityLevel: 3,
  });
  const x = new ort.Tensor("float32", new Float32Array(batch * 72), [batch, 3, 4, 6]);
  const results = await session.run({ x });
  await session.release();
  return Object.fromEntries(Object.entries(results).map(([name, { data, dims }]) => [name, `[${dims}] ${data}`]));
}

describe("folding constants", () => {
  it("gives what the graph gives, at every batch", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const graph = arithmetic(seed);
        const folded = foldConstants(graph);
        expect(folded.nodes.length).toBeLessThanOrEqual(graph.nodes.length);
        for (const batch of [1, 2, 5]) expect(await run(folded, batch)).toEqual(await run(graph, batch));
      }),
      { numRuns: 150, seed: 1 },
    );
  });

  it("leaves nothing where no size is named", () => {
    const graph = arithmetic(3);
    const folded = foldConstants(graph, { inputs: { x: [2, 3, 4, 6] } });
    expect(folded.nodes).toEqual([]);
    expect(folded.constants.size).toBeGreaterThan(0);
  });

  it("does not follow numbers beyond what shapes have", () => {
    const graph = new Graph();
    const ops = new Ops(graph);
    const ones = ops.one("ConstantOfShape", [ops.ints([64, 64])]);
    graph.output("y", ops.add(ones, ops.scalar(1)));
    expect(foldConstants(graph).nodes.map(({ op }) => op)).toEqual(["ConstantOfShape", "Add"]);
  });
});
