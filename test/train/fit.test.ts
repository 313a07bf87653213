import { describe, expect, test } from "vitest";
import { dataLoader, shapes } from "../../src/data/index.ts";
import { BasicConv } from "../../src/models/index.ts";
import { AdaptiveAvgPool2d, Flatten, Linear, Sequential } from "../../src/nn/index.ts";
import { constantRate, sgd } from "../../src/optim/index.ts";
import { nodeEngine } from "../../src/runtime/node.ts";
import { DivergedError, type FitOptions, fit, type TrainEvent, type TrainingState } from "../../src/train/index.ts";

const small = () =>
  new Sequential(
    new BasicConv(3, 8, 3, { stride: 2 }),
    new AdaptiveAvgPool2d(1),
    new Flatten(),
    new Linear(8, 10),
  ).initialize(1);

function options(more: Partial<FitOptions> = {}): FitOptions {
  return {
    engine: nodeEngine({ threads: 1 }),
    train: dataLoader(shapes({ length: 70 }), { batchSize: 16, shuffle: true }),
    validation: dataLoader(shapes({ split: "test", length: 30 }), { batchSize: 16 }),
    epochs: 2,
    optimizer: sgd({ momentum: 0.9 }),
    schedule: constantRate(0.05),
    ...more,
  };
}

async function collect(events: AsyncIterable<TrainEvent>): Promise<TrainEvent[]> {
  const list: TrainEvent[] = [];
  for await (const event of events) list.push(event);
  return list;
}

const losses = (events: readonly TrainEvent[]) =>
  events.flatMap((event) => (event.type === "step" ? [event.loss] : []));

describe("the loop", () => {
  test("sees every image once an epoch, the last batch partial, and evaluates after each", async () => {
    const events = await collect(fit(small(), options()));
    expect(events.flatMap((event) => (event.type === "step" ? [event.images] : []))).toEqual([
      16, 16, 16, 16, 6, 16, 16, 16, 16, 6,
    ]);
    const epochs = events.filter((event) => event.type === "epoch");
    expect(epochs.map(({ train }) => train.images)).toEqual([70, 70]);
    for (const { validation } of epochs) {
      expect(validation!.images).toBe(30);
      const counts = validation!.confusion.flat().reduce((sum, count) => sum + count, 0);
      expect(counts).toBe(30);
      const right = validation!.confusion.reduce((sum, row, k) => sum + row[k]!, 0);
      expect(validation!.top1).toBeCloseTo(right / 30);
      expect(validation!.top5).toBeGreaterThanOrEqual(validation!.top1);
    }
    expect(events.at(-1)).toMatchObject({ type: "end", reason: "finished" });
  });

  test("goes on from any checkpoint with the same losses", async () => {
    const states: TrainingState[] = [];
    const all: TrainEvent[] = [];
    for await (const event of fit(small(), options({ checkpointEvery: 2, ema: 0.9 }))) {
      all.push(event);
      if (event.type === "checkpoint") states.push(await event.state());
    }
    expect(states.map(({ progress }) => progress.step)).toEqual([2, 4, 5, 6, 8, 10]);
    for (const resume of states.slice(0, -1)) {
      const rest = await collect(fit(small(), options({ ema: 0.9, resume })));
      expect(losses(rest)).toEqual(losses(all).slice(resume.progress.step));
    }
  });

  test("stops when asked, with a checkpoint", async () => {
    const abort = new AbortController();
    const seen: TrainEvent[] = [];
    for await (const event of fit(small(), options({ signal: abort.signal }))) {
      seen.push(event);
      if (event.type === "step" && event.step === 3) abort.abort();
    }
    expect(seen.at(-1)).toMatchObject({ type: "end", reason: "stopped" });
    expect(seen.at(-2)).toMatchObject({ type: "checkpoint", progress: { step: 3 } });
  });

  test("stops early when it gets no better", async () => {
    const events = await collect(fit(small(), options({ epochs: 9, patience: 1, schedule: constantRate(1e-12) })));
    expect(events.at(-1)).toMatchObject({ type: "end", reason: "early stopping", epochs: 2 });
  });

  test("a loss that is not finite is an error that says where, and nothing broken is offered for saving", async () => {
    const run = collect(fit(small(), options({ epochs: 50, schedule: constantRate(1e30) })));
    await expect(run).rejects.toThrow(DivergedError);
    await expect(run).rejects.toThrow(/step \d+|after step/);
  });

  test("weights that an epoch's last step broke are no epoch, and cannot be saved", async () => {
    for (const validated of [true, false]) {
      let calls = 0;
      const { validation, ...rest } = options({ schedule: () => (++calls === 5 ? 1e39 : 0.01) });
      const seen: string[] = [];
      const run = async () => {
        for await (const event of fit(small(), validated ? { ...rest, validation: validation! } : rest)) {
          seen.push(event.type);
          if (event.type === "epoch") await event.weights();
        }
      };
      await expect(run()).rejects.toThrow(DivergedError);
      expect(seen.filter((type) => type === "step")).toHaveLength(5);
      expect(seen.filter((type) => type === "epoch")).toHaveLength(validated ? 0 : 1);
      expect(seen).not.toContain("checkpoint");
    }
  });

  test("two batches to an update weigh every image alike", async () => {
    const events = await collect(fit(small(), options({ accumulate: 2 })));
    expect(events.flatMap((event) => (event.type === "step" ? [event.images] : []))).toEqual([32, 32, 6, 32, 32, 6]);
  });

  test("frozen parameters stay", async () => {
    const model = small();
    for (const [key, parameter] of model.parameters()) parameter.requiresGrad = key.startsWith("3.");
    const before = [...model.stateDict().get("0.conv.0.weight")!.data];
    await collect(fit(model, options({ epochs: 1 })));
    expect([...model.stateDict().get("0.conv.0.weight")!.data]).toEqual(before);
  });
});
