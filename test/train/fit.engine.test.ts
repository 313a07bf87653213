import { describe, expect, test } from "vitest";
import { dataLoader, shapes } from "../../src/data/index.ts";
import { tensor } from "../../src/graph/index.ts";
import { BasicConv } from "../../src/models/index.ts";
import { AdaptiveAvgPool2d, Flatten, Linear, Sequential } from "../../src/nn/index.ts";
import { constantRate, sgd } from "../../src/optim/index.ts";
import type { Engine } from "../../src/runtime/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import {
  crossEntropyLoss,
  DivergedError,
  type FitOptions,
  fit,
  type TrainEvent,
  type TrainingState,
} from "../../src/train/index.ts";
import { padded } from "../../src/train/targets.ts";

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
  test("in the last epoch, graphs that no batch comes for any more are given back before others are compiled", async () => {
    const log: string[] = [];
    const engine = nodeEngine({ threads: 1 });
    const logged: Engine = {
      ...engine,
      async compile(graph, settings) {
        const batch = graph.inputs.find(({ name }) => name === "input")!.shape[0];
        const size = typeof batch === "number" ? batch : "evaluation";
        log.push(`compile ${size}`);
        const executable = await engine.compile(graph, settings);
        const dispose = executable.dispose.bind(executable);
        executable.dispose = async () => {
          log.push(`dispose ${size}`);
          await dispose();
        };
        return executable;
      },
    };
    await fit(small(), options({ engine: logged, epochs: 1 }));
    const end = ["compile evaluation", "dispose evaluation"];
    expect(log.splice(0)).toEqual(["compile 16", "dispose 16", "compile 6", "dispose 6", ...end]);
    await fit(small(), options({ engine: logged }));
    expect(log).toEqual(["compile 16", "compile 6", ...end, "dispose 16", "dispose 6", ...end]);
  });

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

  test("stopped early, it stays so when it is resumed", async () => {
    const early = { epochs: 9, patience: 1, schedule: constantRate(1e-12) };
    const states: TrainingState[] = [];
    for await (const event of fit(small(), options(early)))
      if (event.type === "checkpoint") states.push(await event.state());
    const events = await collect(fit(small(), options({ ...early, resume: states.at(-1)! })));
    expect(events.map(({ type }) => type)).toEqual(["start", "end"]);
    expect(events.at(-1)).toMatchObject({ reason: "early stopping", epochs: 2 });
  });

  test("stops while it evaluates, and evaluates when it is resumed", async () => {
    const validation = dataLoader(shapes({ split: "test", length: 200 }), { batchSize: 10 });
    const whole = await collect(fit(small(), options({ validation })));
    const abort = new AbortController();
    const seen: TrainEvent[] = [];
    let state: TrainingState | undefined;
    for await (const event of fit(small(), options({ validation, signal: abort.signal }))) {
      seen.push(event);
      if (event.type === "evaluating") abort.abort();
      if (event.type === "checkpoint") state = await event.state();
    }
    expect(seen.at(-1)).toMatchObject({ type: "end", reason: "stopped", epochs: 0 });
    expect(seen.some(({ type }) => type === "epoch")).toBe(false);
    expect(state!.progress).toMatchObject({ epoch: 0, batch: 5, step: 5 });
    const rest = await collect(fit(small(), options({ validation, resume: state! })));
    const evaluated = (events: readonly TrainEvent[]) =>
      events.flatMap((event) => (event.type === "epoch" ? [[event.train.loss, event.validation!.loss]] : []));
    expect(evaluated(rest)).toEqual(evaluated(whole));
    expect(losses(rest)).toEqual(losses(whole).slice(5));
  });

  test("goes on with frozen weights out of the state, whatever the network was drawn with", async () => {
    const frozen = (seed: number) => {
      const model = small().initialize(seed);
      for (const [key, parameter] of model.parameters()) parameter.requiresGrad = key.startsWith("3.");
      return model;
    };
    const all: TrainEvent[] = [];
    let state: TrainingState | undefined;
    for await (const event of fit(frozen(1), options())) {
      all.push(event);
      if (event.type === "checkpoint") state ??= await event.state();
    }
    const rest = await collect(fit(frozen(2), options({ resume: state! })));
    expect(losses(rest)).toEqual(losses(all).slice(state!.progress.step));
  });

  test("a last batch of one image leaves running statistics that are numbers; a batch size of one is an error", async () => {
    const shrinking = () =>
      new Sequential(
        new BasicConv(3, 8, 3, { stride: 2 }),
        new AdaptiveAvgPool2d(1),
        new BasicConv(8, 8, 1),
        new Flatten(),
        new Linear(8, 10),
      ).initialize(1);
    const train = (length: number, batchSize: number) => dataLoader(shapes({ length }), { batchSize });
    const model = shrinking();
    await collect(fit(model, options({ train: train(17, 16) })));
    for (const { data } of model.stateDict().values())
      for (const value of data) expect(Number.isFinite(Number(value))).toBe(true);
    const one = collect(fit(shrinking(), options({ train: train(2, 1) })));
    await expect(one).rejects.toThrow("has one value per channel, and so no variance; use larger batches or images");
  });

  test("trains on mixed labels, smoothed or not, of fewer classes than the network has", async () => {
    const { data } = padded(tensor("float32", [2, 3], Float32Array.of(0, 1, 0, 0.25, 0, 0.75)), 4);
    expect([...data]).toEqual([0, 1, 0, 0, 0.25, 0, 0.75, 0]);
    const mixed = (labelSmoothing: number) => {
      const train = dataLoader(shapes({ length: 70 }), { batchSize: 16, shuffle: true, mix: { mixup: 0.2 } });
      return collect(fit(small(), options({ train, loss: crossEntropyLoss({ labelSmoothing }), epochs: 1 })));
    };
    expect(losses(await mixed(0.5))).not.toEqual(losses(await mixed(0)));
  });

  test("networks with fewer outputs than there are classes are refused", async () => {
    const narrow = new Sequential(new Flatten(), new Linear(3 * 32 * 32, 4)).initialize(1);
    await expect(collect(fit(narrow, options()))).rejects.toThrow(
      'the network has 4 outputs, but the data set "shapes" has 10 classes',
    );
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
