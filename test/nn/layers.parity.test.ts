/** Each layer against PyTorch: state dicts in both directions, both forms, running statistics, and how it prints. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { fromBytes, type TensorData, toBytes } from "../../src/graph/index.ts";
import { trace } from "../../src/nn/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { renderText, summarize } from "../../src/summary/index.ts";
import { Draw } from "../support/draw.ts";
import { expectClose } from "../support/family.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { LAYERS } from "./layers.ts";

const TOLERANCE = 1e-5;
const SCRIPT = readFileSync(new URL("layers.py", import.meta.url), "utf8");
const engine = nodeEngine({ threads: 1 });

interface Wire {
  dtype: TensorData["dtype"];
  shape: number[];
  data: string;
}

interface Reply {
  shapes: Record<string, number[]>;
  state: Record<string, Wire>;
  evaluated: Wire;
  trained: Wire;
  updates: Record<string, Wire>;
  text: string;
  table: string | null;
}

const toWire = (tensor: TensorData): Wire => ({
  dtype: tensor.dtype,
  shape: [...tensor.shape],
  data: Buffer.from(toBytes(tensor)).toString("base64"),
});
const fromWire = ({ dtype, shape, data }: Wire): TensorData => fromBytes(dtype, shape, Buffer.from(data, "base64"));

/** The table and the counts of parameters below it. Small totals have other units here. */
const rows = (table: string) =>
  table.split("\n").filter((line) => !/[Ss]ize|Total mult-adds/.test(line) || line.includes("Layer"));

const cases = LAYERS.map((layer, i) => ({ ...layer, x: new Draw(i).uniform([3, ...layer.input], -2, 2) }));

describe("layers against PyTorch", unless(pythonSkipReason("torch")), () => {
  let replies: Reply[];

  beforeAll(() => {
    const questions = cases.map(({ python, make, x }) => ({
      python,
      x: toWire(x),
      state: Object.fromEntries([...make().initialize(3).stateDict()].map(([key, value]) => [key, toWire(value)])),
    }));
    replies = JSON.parse(python(SCRIPT, { input: JSON.stringify(questions) })) as Reply[];
  }, 120_000);

  it.each(cases.map((one, i) => [one.python, one, i] as const))("%s", async (_, { make, x }, i) => {
    const reply = replies[i]!;
    const module = make();
    expect(Object.fromEntries(module.stateShapes())).toEqual(reply.shapes);
    expect([...module.stateShapes().keys()]).toEqual(Object.keys(reply.shapes));
    // PyTorch loaded our initial weights strictly, moved them a little, and gives them back
    module.loadStateDict(new Map(Object.entries(reply.state).map(([key, value]) => [key, fromWire(value)])));
    for (const training of [false, true]) {
      const options = { training, dropout: false };
      const { graph, tracer } = trace(module, ["N", ...x.shape.slice(1)], options);
      for (const [key, value] of tracer.updates) graph.output(`next:${key}`, value.value);
      const executable = await engine.compile(graph, { weights: module.stateDict() });
      const results = await executable.run({ input: x });
      const wanted = fromWire(training ? reply.trained : reply.evaluated);
      expectClose(await results.output!.read(), wanted, TOLERANCE, training ? "training" : "evaluation");
      expect([...tracer.updates.keys()]).toEqual(training ? Object.keys(reply.updates) : []);
      for (const key of tracer.updates.keys())
        expectClose(await results[`next:${key}`]!.read(), fromWire(reply.updates[key]!), TOLERANCE, key);
      await executable.dispose();
    }
  });

  it("torchinfo's tables", unless(pythonSkipReason("torch", "torchinfo")), () => {
    for (const [i, { make, x }] of cases.entries()) {
      const columns = ["input_size", "output_size", "num_params", "kernel_size", "mult_adds"] as const;
      const table = renderText(summarize(make(), { input: x.shape }), { columns });
      if (replies[i]!.table !== null) expect(rows(table)).toEqual(rows(replies[i]!.table!));
    }
  });
});
