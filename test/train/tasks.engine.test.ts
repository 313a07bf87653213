/** Trainings on several labels per image and on numbers, evaluation, and what `fit` refuses. */
import { describe, expect, it } from "vitest";
import {
  type Dataset,
  dataLoader,
  type Image,
  interleaved,
  memoryDataset,
  shapes,
  subset,
} from "../../src/data/index.ts";
import { tensor } from "../../src/graph/index.ts";
import { BatchNorm2d, Conv2d, Flatten, Linear, type Module, Sequential, type Tensor } from "../../src/nn/index.ts";
import { constantRate, sgd } from "../../src/optim/index.ts";
import { Random } from "../../src/random.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import {
  bceWithLogitsLoss,
  crossEntropyLoss,
  evaluate,
  type FitOptions,
  fit,
  freeze,
  loadForFineTuning,
  mseLoss,
  TrainingStep,
} from "../../src/train/index.ts";

const engine = nodeEngine({ threads: 1 });

const network = (outputs: number) =>
  new Sequential(
    new Conv2d(1, 4, 3, { stride: 2 }),
    new BatchNorm2d(4),
    new Flatten(),
    new Linear(36, outputs),
  ).initialize(1);

/** Images of 8×8 whose left and right half, and whose top, are light or dark, with those three facts and the mean. */
function halves(length: number, seed = 0) {
  const random = new Random(seed, "halves");
  const facts = Array.from({ length }, () => [random.integer(2), random.integer(2), random.integer(2)] as const);
  const images = Uint8Array.from({ length: length * 64 }, (_, i) => {
    const [left, right, top] = facts[Math.floor(i / 64)]!;
    const [x, y] = [i % 8, Math.floor(i / 8) % 8];
    return 40 + 120 * (x < 4 ? left : right) + 60 * (y < 4 ? top : 0) + random.integer(20);
  });
  const means = facts.map((_, n) => images.subarray(n * 64, (n + 1) * 64).reduce((sum, p) => sum + p, 0) / 64 / 255);
  return { facts, images, means };
}

function labelled(length: number, seed = 0): Dataset {
  const { facts, images } = halves(length, seed);
  const targets = facts.flat();
  return memoryDataset({ name: "halves", classes: ["left", "right", "top"], images, targets, shape: [1, 8, 8] });
}

function options(more: Partial<FitOptions> = {}): FitOptions {
  return {
    engine,
    train: dataLoader(labelled(96), { batchSize: 16, shuffle: true }),
    validation: dataLoader(labelled(40, 1), { batchSize: 16 }),
    epochs: 6,
    loss: bceWithLogitsLoss(),
    optimizer: sgd({ momentum: 0.9 }),
    schedule: constantRate(0.05),
    ...more,
  };
}

describe("fit", () => {
  it("trains several labels per image, and reports their accuracy and F1", async () => {
    const model = network(3);
    const { history, reason, epochs, best } = await fit(model, options());
    expect({ reason, epochs, count: history.length }).toEqual({ reason: "finished", epochs: 6, count: 6 });
    const { train, validation } = history.at(-1)!;
    expect(train.metrics.accuracy).toBeGreaterThan(0.95);
    expect(train.accuracy).toBeNaN();
    expect(validation!.metrics.accuracy).toBeGreaterThan(0.95);
    expect(validation!.metrics.f1).toBeGreaterThan(0.95);
    expect(validation).toMatchObject({ images: 40, top1: Number.NaN, perClass: [], confusion: [], worst: [] });
    expect(best!.value).toBeCloseTo(-Math.min(...history.map((epoch) => epoch.validation!.loss)), 6);
    const loader = dataLoader(labelled(40, 1), { batchSize: 7 });
    const again = await evaluate(model, loader, { engine, loss: bceWithLogitsLoss() });
    expect(again.loss).toBeCloseTo(validation!.loss, 4);
    expect(again.metrics).toEqual(validation!.metrics);
  });

  it("trains numbers", async () => {
    const numbers = (length: number, seed: number) => {
      const { images, means } = halves(length, seed);
      return memoryDataset({ name: "means", classes: [], images, targets: means, shape: [1, 8, 8] });
    };
    const train = dataLoader(numbers(96, 0), { batchSize: 16, shuffle: true });
    const validation = dataLoader(numbers(40, 1), { batchSize: 16 });
    const { history } = await fit(
      network(1),
      options({ train, validation, loss: mseLoss(), epochs: 10, schedule: constantRate(0.02) }),
    );
    expect(history.at(-1)!.validation!.metrics.meanAbsoluteError).toBeLessThan(0.15);
    expect(history.at(-1)!.validation!.loss).toBeLessThan(history[0]!.validation!.loss);
  });

  it("trains on a loss of your own, with targets of another width than the output", async () => {
    const { images, means } = halves(64);
    const set = memoryDataset({ name: "means", classes: [], images, targets: means, shape: [1, 8, 8] });
    const train = dataLoader(set, { batchSize: 16, shuffle: true });
    const loss = (output: Tensor, target: Tensor) => output.mean([1], true).sub(target).apply("Abs").mean();
    const metrics = { error: loss };
    const { history } = await fit(network(3), options({ train, validation: train, loss, metrics, epochs: 8 }));
    const { validation, train: last } = history.at(-1)!;
    expect(last.loss).toBeLessThan(history[0]!.train.loss / 2);
    expect(validation!.metrics.error).toBeCloseTo(validation!.loss, 5);
  });

  it("mixes targets as it mixes images", async () => {
    const loader = dataLoader(labelled(8), { batchSize: 8, mix: { mixup: 1 } });
    const { targets } = await loader.first();
    expect(targets!.shape).toEqual([8, 3]);
    expect([...targets!.data].some((value) => value > 0 && value < 1)).toBe(true);
  });

  it("can be iterated over, and awaited after that; leaving the loop ends it", async () => {
    const run = fit(network(3), options({ epochs: 2 }));
    const types: string[] = [];
    for await (const { type } of run) types.push(type);
    expect(types.filter((type) => type === "epoch")).toHaveLength(2);
    expect(await run).toMatchObject({ epochs: 2, reason: "finished" });
    expect(await run).toBe(await run);

    const left = fit(network(3), options({ epochs: 3 }));
    for await (const { type } of left) if (type === "epoch") break;
    expect(await left).toMatchObject({ epochs: 1, reason: "stopped" });
  });

  it("reports metrics and the norm of gradients at each step", async () => {
    for await (const event of fit(network(3), options({ epochs: 1, clipNorm: 0.01, gradientNorms: true }))) {
      if (event.type !== "step") continue;
      const norms = Object.values(event.gradientNorms!);
      expect(Object.keys(event.gradientNorms!)).toEqual([...network(3).parameters()].map(([key]) => key));
      expect(Math.hypot(...norms) / event.gradientNorm!).toBeCloseTo(1, 5);
      expect(Object.keys(event.metrics)).toEqual(["accuracy", "f1"]);
      expect(event.gradientNorm).toBeGreaterThan(0.01);
    }
  });

  it("goes on with the metrics of an epoch that was interrupted", async () => {
    const all = await fit(network(3), options({ epochs: 1 }));
    for await (const event of fit(network(3), options({ epochs: 1, checkpointEvery: 4 }))) {
      if (event.type !== "checkpoint") continue;
      const rest = await fit(network(3), options({ epochs: 1, resume: await event.state() }));
      expect(rest.history[0]!.train.metrics).toEqual(all.history[0]!.train.metrics);
      break;
    }
  });

  it.each([
    ["no epochs", { epochs: undefined }, "fit: epochs has to be a whole number ≥ 1, but is missing"],
    ["half an epoch", { epochs: 0.5 }, "fit: epochs has to be a whole number ≥ 1, but is 0.5"],
    ["an unknown option", { epoch: 3 }, 'fit: there is no option "epoch"; did you mean "epochs"?'],
    [
      "no optimizer",
      { optimizer: undefined },
      "fit: an optimizer is needed, such as optimizer: sgd({ momentum: 0.9 })",
    ],
    [
      "no schedule",
      { schedule: 0.1 },
      "fit: a schedule of the learning rate is needed, such as schedule: cosineRate(0.1)",
    ],
    ["no loader", { train: labelled(4) }, "fit: `train` has to be a loader"],
    ["no engine", { engine: undefined }, "fit: an engine is needed"],
    ["no batches per update", { accumulate: 0 }, "fit: accumulate has to be a whole number ≥ 1, but is 0"],
    ["a loss by name", { loss: "mse" }, "fit: loss has to be crossEntropyLoss() or another loss, or a function"],
    ["label smoothing", { labelSmoothing: 0.1 }, "loss: crossEntropyLoss({ labelSmoothing: 0.1 })"],
  ])("refuses %s", (_, more, message) => {
    expect(() => fit(network(3), options(more as object))).toThrow(message);
  });

  it("refuses data that do not go with the loss", async () => {
    const classes = dataLoader(shapes({ length: 16, size: 8 }), { batchSize: 8 });
    const rgb = () =>
      new Sequential(new Conv2d(3, 4, 3, { stride: 2 }), new Flatten(), new Linear(36, 10)).initialize(1);
    const onClasses = (loss: FitOptions["loss"]) =>
      fit(rgb(), options({ train: classes, validation: classes, loss: loss! }));
    await expect(onClasses(mseLoss())).rejects.toThrow(
      "mseLoss needs numbers to aim at, but there are class labels only",
    );
    await expect(onClasses(bceWithLogitsLoss())).rejects.toThrow("give the samples a `target`");
    await expect(fit(network(3), options({ loss: crossEntropyLoss() }))).rejects.toThrow(
      "but probabilities of classes sum to 1; for several labels per image use bceWithLogitsLoss()",
    );
    await expect(fit(network(2), options())).rejects.toThrow(
      /targets are \[16, 3\], but the network's output is \[N, 2\]/,
    );
  });

  it("refuses a network that is in evaluation form as a whole, and leaves parts in it that are", async () => {
    const run = (model: Module) => fit(model, options({ epochs: 1 }));
    await expect(run(network(3).eval())).rejects.toThrow(
      "the network is in evaluation form, after model.eval(): it would be trained without dropout and without batch statistics; call model.train() first",
    );
    expect((await run(network(3).eval().train())).reason).toBe("finished");
    const model = network(3);
    freeze(model, "1");
    const { data } = model.stateDict().get("1.running_mean")!;
    await run(model);
    expect([...model.stateDict().get("1.running_mean")!.data]).toEqual([...data]);
  });
});

describe("evaluate", () => {
  it("classifies a data set, with metrics of your own", async () => {
    const set = shapes({ length: 30, size: 8 });
    const model = new Sequential(new Flatten(), new Linear(192, 10)).initialize(1);
    const metrics = { likeliest: (output: Tensor, target: Tensor) => output.softmax(1).mul(target).sum([1]).mean() };
    const loader = dataLoader(set, { batchSize: 8 });
    const result = await evaluate(model, loader, { engine, metrics });
    expect(result).toMatchObject({ images: 30 });
    expect(result.confusion.flat().reduce((sum, count) => sum + count, 0)).toBe(30);
    expect(Object.keys(result.metrics)).toEqual(["likeliest"]);
    expect(result.metrics.likeliest).toBeGreaterThan(0);
    const plain = await evaluate(model, loader, { engine });
    expect(plain.metrics).toEqual({ accuracy: plain.top1 });
    expect(plain.loss).toBeCloseTo(result.loss, 6);
  });

  it("refuses labels that the network does not have", async () => {
    const model = new Sequential(new Flatten(), new Linear(192, 4)).initialize(1);
    const loader = dataLoader(shapes({ length: 30, size: 8 }), { batchSize: 8 });
    await expect(evaluate(model, loader, { engine })).rejects.toThrow("label 4 is not one of the 4 classes");
    await expect(evaluate(model, loader, { engine, los: 1 } as never)).rejects.toThrow('did you mean "loss"?');
  });
});

describe("a step", () => {
  const batch = {
    input: tensor(
      "float32",
      [2, 1, 8, 8],
      Float32Array.from({ length: 128 }, (_, i) => (i % 13) / 13),
    ),
    target: tensor("int32", [2], Int32Array.of(0, 2)),
  };
  const create = (model: Module) =>
    TrainingStep.create(model, { engine, input: ["N", 1, 8, 8], optimizer: sgd({ momentum: 0.9 }) });
  const counted = (weights: ReadonlyMap<string, { data: ArrayLike<number | bigint> }>) =>
    Number(weights.get("1.num_batches_tracked")!.data[0]);

  it("counts batches on from those that batch normalization has seen", async () => {
    const model = network(3);
    model.loadStateDict(new Map([["1.num_batches_tracked", tensor("int64", [], BigInt64Array.of(4n))]]), {
      strict: false,
    });
    const step = await create(model);
    for (let i = 0; i < 5; i++) await step.run(batch, 0.01);
    expect(counted(await step.weights())).toBe(9);
    await step.run([batch, batch, batch], 0.01);
    expect(counted(await step.weights())).toBe(12);
    const state = await step.state();
    await step.dispose();

    const resumed = await create(network(3));
    resumed.restore(state, 6);
    await resumed.run(batch, 0.01);
    expect(counted(await resumed.weights())).toBe(13);
    const { "1.num_batches_tracked": _, ...old } = Object.fromEntries(state);
    resumed.restore(new Map(Object.entries(old)), 6);
    expect(counted(await resumed.weights())).toBe(6);
    await expect(async () => resumed.restore(new Map(), 6, "last.safetensors")).rejects.toThrow(
      /last\.safetensors is of another network or optimizer than is to be trained\n {2}missing: /,
    );
    await resumed.dispose();
  });

  it("takes plain arrays as images, and refuses others than it can mean", async () => {
    const step = await create(network(3));
    const plain = { input: { shape: [2, 1, 8, 8], data: [...batch.input.data] }, target: batch.target };
    expect((await step.run(plain, 0)).loss).toEqual((await step.run(batch, 0)).loss);
    await expect(step.run(batch, Number.NaN)).rejects.toThrow("the learning rate has to be a number, but is NaN");
    await expect(step.run([], 0.1)).rejects.toThrow("needs at least one batch");
    await step.dispose();
  });
});

describe("data sets with targets", () => {
  const image: Image = interleaved(new Uint8Array(64), 8, 8, 1);
  const own = (target: unknown, targetSize?: number): Dataset => ({
    ...{ name: "own", classes: [], length: 4, get: () => ({ image, target: target as number[] }) },
    ...(targetSize !== undefined && { targetSize }),
  });

  it("are loaded as they are written, and keep their targets in subsets", async () => {
    const loader = dataLoader(own([0.5, 2], 2), { batchSize: 3 });
    const { labels, targets } = await loader.first();
    expect([...labels.data]).toEqual([-1, -1, -1]);
    expect([...targets!.data]).toEqual([0.5, 2, 0.5, 2, 0.5, 2]);
    const { facts } = halves(10);
    const part = subset(labelled(10), [7, 2]);
    expect([...(await dataLoader(part, { batchSize: 2 }).first()).targets!.data]).toEqual([...facts[7]!, ...facts[2]!]);
  });

  it("are refused if targets are missing, of another length, or no numbers", async () => {
    const first = (set: Dataset) => dataLoader(set, { batchSize: 2 }).first();
    await expect(first(own(undefined, 2))).rejects.toThrow("a target of 2 numbers is needed, but the sample has none");
    await expect(first(own([1], 2))).rejects.toThrow("a target of 2 numbers is needed, but the sample has 1");
    await expect(first(own([1, Number.NaN], 2))).rejects.toThrow("number 1 of the target is NaN");
    await expect(first({ ...own([1]), classes: ["a"] })).rejects.toThrow("needs a `targetSize`");
    const memory = { name: "m", classes: ["a", "b"], images: new Uint8Array(8), shape: [1, 2, 2] as const };
    expect(() => memoryDataset({ ...memory, labels: [0, 5] })).toThrow(
      "m: label 5 of image 1 is not one of the 2 classes, 0 to 1",
    );
    expect(() => memoryDataset({ ...memory, targets: [1, 0, 1] })).toThrow(
      "are not the same count for each of 2 images",
    );
    expect(() => memoryDataset({ ...memory, targets: [1, 0] })).toThrow(
      "targets have 1 numbers, but 2 classes are named",
    );
    expect(() => memoryDataset(memory)).toThrow("images need `labels` [M] or `targets` [M, K]");
    expect(() => memoryDataset({ ...memory, images: new Float32Array(8) as never, labels: [0, 1] })).toThrow(
      "images have to be bytes, a Uint8Array",
    );
  });

  it("are iterated over one epoch after the other", async () => {
    const loader = dataLoader(shapes({ length: 6, size: 8 }), { batchSize: 4, shuffle: true, seed: 2 });
    const epoch = async () => {
      const samples: number[] = [];
      for await (const batch of loader) samples.push(...batch.samples);
      return samples;
    };
    const [one, two] = [await epoch(), await epoch()];
    expect(one).not.toEqual(two);
    expect([...one].sort()).toEqual([...two].sort());
    expect(() => dataLoader(shapes({ length: 6 }), { batchsize: 2 } as never)).toThrow('did you mean "batchSize"?');
  });

  it("shapes take a count by its name only", () => {
    expect(() => shapes({ size: 2000 })).toThrow(
      "shapes: size is the side of an image, 8 to 512 pixels, but is 2000; how many images: length",
    );
    expect(() => shapes({ sized: 32 } as never)).toThrow('shapes: there is no option "sized"; did you mean "size"?');
    expect(() => sgd({ lr: 0.1 } as never)).toThrow("the learning rate is set by the schedule");
    expect(() => sgd({ momentun: 0.9 } as never)).toThrow('did you mean "momentum"?');
    expect(() => constantRate(undefined as never)).toThrow("constantRate: lr has to be a number");
  });
});

it("loadForFineTuning keeps a last layer of another size as initialized", () => {
  const model = network(5).initialize(3);
  const before = model.stateDict().get("3.weight");
  expect(loadForFineTuning(model, network(3).stateDict())).toEqual(["3.weight", "3.bias"]);
  expect(model.stateDict().get("3.weight")).toEqual(before);
  expect(model.stateDict().get("0.weight")).toEqual(network(3).stateDict().get("0.weight"));
  expect(() => freeze(model, "nowhere")).toThrow('freeze: no parameter starts with "nowhere"');
  expect(() => freeze(model, "backbone")).toThrow('freeze: "backbone" needs the shape of the images');
});
