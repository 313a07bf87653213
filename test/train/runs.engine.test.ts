import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { command } from "../../src/cli/runs.ts";
import type { MemoryDataset } from "../../src/data/index.ts";
import { locateDataset } from "../../src/data/node/index.ts";
import { BasicConv } from "../../src/models/index.ts";
import { AdaptiveAvgPool2d, Flatten, Linear, Sequential } from "../../src/nn/index.ts";
import { parseConfig, type TrainConfig } from "../../src/runs/index.ts";
import { openMetricsLog } from "../../src/runs/node/metrics-log.ts";
import { dataFacts, openedOnce } from "../../src/runs/node/prepare.ts";
import { readRun } from "../../src/runs/node/read-run.ts";
import { trainRun } from "../../src/runs/node/run.ts";
import { writeReport } from "../../src/runs/node/write-report.ts";
import { writeCifar } from "../support/cifar.ts";
import { type Course, course } from "./made-up.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-runs-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const TIME = "2026-01-02T03:04:05.000Z";

function config(more: Partial<TrainConfig> = {}): TrainConfig {
  return parseConfig({
    model: "nin",
    data: "shapes",
    transforms: { train: [], validation: [] },
    epochs: 3,
    batchSize: 16,
    lr: 0.05,
    optimizer: { name: "sgd" },
    schedule: { name: "cosine" },
    workers: 0,
    threads: 1,
    ...more,
  });
}

/** A run that never ran. */
async function writeRun(dir: string, options: Course = {}, more: Partial<TrainConfig> = {}): Promise<void> {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "config.json"), JSON.stringify(config(more)));
  const log = await openMetricsLog(dir);
  for (const event of course(options)) await log.add(event, new Date(TIME));
  await log.close();
}

/** What the command prints. */
async function runs(...args: string[]): Promise<{ out: string; err: string }> {
  const written = { out: "", err: "" };
  const spies = (["stdout", "stderr"] as const).map((stream) =>
    vi.spyOn(process[stream], "write").mockImplementation((text) => {
      written[stream === "stdout" ? "out" : "err"] += text;
      return true;
    }),
  );
  try {
    await command.exitOverride().parseAsync(args, { from: "user" });
  } finally {
    for (const spy of spies) spy.mockRestore();
    // commander keeps the options of the command line before
    for (const one of [command, ...command.commands]) one.setOptionValue("json", undefined);
  }
  return written;
}

test("a config names settings that do not exist, with the nearest that does", () => {
  const wrong = { ...config(), epoch: 3, optimizer: { name: "sgd", momentun: 0.9 } };
  expect(() => parseConfig(wrong)).toThrow('epoch: there is no such setting; did you mean "epochs"?');
  expect(() => parseConfig(wrong)).toThrow('optimizer.momentun: there is no such setting; did you mean "momentum"?');
  expect(() => parseConfig({ ...config(), a: 1 })).toThrow("a: there is no such setting; there are model, variant, ");
});

describe("the list of runs", () => {
  const dir = join(folder, "list");
  beforeAll(async () => {
    await writeRun(join(dir, "a-finished"));
    await writeRun(join(dir, "b-stopped"), { stopAfter: 7 }, { model: "googlenet", variant: "paper" });
    await writeRun(join(dir, "c-new"), { stopAfter: 1 });
    rmSync(join(dir, "c-new", "metrics.jsonl"));
    await writeRun(join(dir, "d-killed"), { stopAfter: 12 });
    const lines = readFileSync(join(dir, "d-killed", "metrics.jsonl"), "utf8")
      .trimEnd()
      .split("\n");
    writeFileSync(join(dir, "d-killed", "metrics.jsonl"), `${lines.slice(0, -1).join("\n")}\n{"type":"st`);
    await writeRun(join(dir, "e-broken"));
    writeFileSync(join(dir, "e-broken", "config.json"), "{");
    await writeRun(join(dir, "f-broken"));
    writeFileSync(join(dir, "f-broken", "metrics.jsonl"), "nonsense\n");
    await writeRun(join(dir, "g-broken"));
    rmSync(join(dir, "g-broken", "config.json"));
    mkdirSync(join(dir, "no-run"));
    writeFileSync(join(dir, "a-file"), "");
  });

  test("tells network, data, state, epochs, the best and the last numbers", async () => {
    const { out } = await runs(dir);
    const [head, , ...rows] = out
      .trimEnd()
      .split("\n")
      .map((line) => line.trim().split(/ {2,}/));
    expect(head).toEqual(["run", "network", "data", "state", "epochs", "best top-1", "last loss", "when (UTC)"]);
    const byName = Object.fromEntries(rows.map((row) => [row[0], row.slice(1)]));
    const lossOf = (step: number) =>
      [...course()].find((event) => event.type === "epoch" && event.step === step && event)! as {
        train: { loss: number };
      };
    const loss = (step: number) => lossOf(step).train.loss.toFixed(4);
    expect(byName).toEqual({
      "a-finished": ["nin", "shapes", "finished", "3/3", "80.0 %", loss(15), "2026-01-02 03:04"],
      "b-stopped": ["googlenet (paper)", "shapes", "stopped", "1/3", "60.0 %", loss(5), "2026-01-02 03:04"],
      "c-new": ["nin", "shapes", "unfinished", "0/3", "–", "–", expect.stringMatching(/^20\d\d-/)],
      "d-killed": ["nin", "shapes", "unfinished", "2/3", "70.0 %", loss(10), "2026-01-02 03:04"],
    });
  });

  test("sets numbers at the right, and what stands for none", async () => {
    const { out } = await runs(dir);
    const [head, , ...rows] = out.trimEnd().split("\n");
    for (const name of ["epochs", "best top-1", "last loss"]) {
      const end = head!.indexOf(name) + name.length;
      for (const row of rows) expect(row.slice(end - 3, end + 1)).toMatch(/(\d| %|–) $/);
    }
  });

  test("names folders that cannot be read, and passes over what is no run", async () => {
    const { out, err } = await runs(dir);
    expect(err.trimEnd().split("\n")).toEqual([
      expect.stringMatching(/^ignored .*e-broken: .*config\.json: /),
      expect.stringMatching(/^ignored .*f-broken: .*metrics\.jsonl, line 1 is damaged/),
      expect.stringMatching(/^ignored .*g-broken: .* is not a run: it has no config\.json/),
    ]);
    expect(out + err).not.toMatch(/no-run|a-file/);
  });

  test("is JSON for programs", async () => {
    const { out } = await runs(dir, "--json");
    const { runs: list, broken } = JSON.parse(out);
    expect(list).toHaveLength(4);
    expect(list[0]).toMatchObject({
      name: "a-finished",
      model: "nin",
      state: "finished",
      epochs: 3,
      plannedEpochs: 3,
      bestTop1: 0.8,
      bestEpoch: 3,
      time: TIME,
    });
    expect(broken.map((one: { dir: string }) => basename(one.dir))).toEqual(["e-broken", "f-broken", "g-broken"]);
  });

  test("of an empty folder says how to begin; a run is no folder of runs", async () => {
    const nothing = join(folder, "nothing");
    await expect(runs(nothing)).rejects.toThrow(`there is no folder ${nothing}`);
    mkdirSync(nothing);
    expect((await runs(nothing)).out).toMatch(/^There are no runs in .*convnets train/);
    await expect(runs(join(dir, "a-finished"))).rejects.toThrow(/is a run; name the folder that it is in/);
  });
});

describe("runs side by side", () => {
  const [a, b] = ["a", "b"].map((name) => join(folder, "pair", name)) as [string, string];
  beforeAll(async () => {
    await writeRun(a);
    await writeRun(
      b,
      { epochs: 2 },
      { epochs: 2, optimizer: { name: "adamw", betas: [0.9, 0.99], eps: 1e-8, weightDecay: 0 } },
    );
  });

  test("show the settings that differ, the results and every epoch", async () => {
    const { out } = await runs("compare", a, b);
    const rows = out.split("\n").map((line) => line.trim().split(/ {2,}/));
    expect(rows).toContainEqual(["epochs", "3", "2"]);
    expect(rows).toContainEqual(["optimizer.name", "sgd", "adamw"]);
    expect(rows).toContainEqual(["optimizer.momentum", "0.9", "–"]);
    expect(rows).toContainEqual(["optimizer.betas", "–", "[0.9, 0.99]"]);
    expect(out).not.toMatch(/batchSize|model/);
    expect(rows).toContainEqual(["best top-1", "80.00 %", "70.00 %"]);
    expect(rows).toContainEqual(["images/s", "256.0", "256.0"]);
    const losses = [3, 2].map((epochs) =>
      [...course({ epochs })].flatMap((event) => (event.type === "epoch" ? [event.train.loss.toFixed(4)] : [])),
    );
    expect(rows).toContainEqual(["2", losses[0]![1], losses[1]![1], "0.8000", "0.8000", "70.00 %", "70.00 %"]);
    expect(rows).toContainEqual(["3", losses[0]![2], "–", "0.6333", "–", "80.00 %", "–"]);
    expect(rows.at(-2)).toEqual(["A: a", "B: b"]);
    const ends = out.split("\n").flatMap((line) => (/^ *[123] .* (%|–)$/.test(line) ? [line.length] : []));
    expect(new Set(ends).size).toBe(1);
    expect(ends).toHaveLength(3);
  });

  test("are JSON for programs", async () => {
    const { runs: list, differences } = JSON.parse((await runs("compare", a, b, "--json")).out);
    expect(list.map(({ epochs }: { epochs: unknown[] }) => epochs.length)).toEqual([3, 2]);
    expect(differences).toMatchObject({ epochs: ["3", "2"], "optimizer.name": ["sgd", "adamw"] });
  });

  test("have to be two that exist", async () => {
    await expect(runs("compare", a)).rejects.toThrow(/takes two or more runs/);
    await expect(runs("compare", a, join(folder, "c"))).rejects.toThrow(/there is no run .*c; "convnets runs" lists/);
  });
});

describe("a real training of a few steps", () => {
  const dir = join(folder, "real", "first");
  const data = join(folder, "pictures");
  const makeModel = async () =>
    new Sequential(new BasicConv(3, 8, 3, { stride: 4 }), new AdaptiveAvgPool2d(1), new Flatten(), new Linear(8, 10));

  beforeAll(async () => {
    writeCifar(data, 20);
    for await (const _ of trainRun(config({ model: "small", data, epochs: 2, batchSize: 32 }), { dir, makeModel }));
  });

  test("leaves everything in its folder, and a report of it", async () => {
    const run = await readRun(dir);
    expect(run).toMatchObject({ name: "first", state: "finished" });
    expect(run.steps.map(({ step, images }) => [step, images])).toEqual(
      [32, 32, 32, 4, 32, 32, 32, 4].map((images, i) => [i + 1, images]),
    );
    expect(run.epochs.map(({ validation }) => validation!.images)).toEqual([20, 20]);
    expect(basename(await writeReport(dir, { makeModel }))).toBe("report.html");
    expect(readdirSync(dir).map((name) => name.replace(/tfevents.*/, "tfevents"))).toEqual([
      "best.safetensors",
      "config.json",
      "environment.json",
      "evaluation.json",
      "events.out.tfevents",
      "last.safetensors",
      "metrics.jsonl",
      "report.html",
    ]);
    const page = readFileSync(join(dir, "report.html"), "utf8");
    expect(page).toContain(run.epochs[1]!.validation!.loss.toFixed(4));
    const { worst } = JSON.parse(readFileSync(join(dir, "evaluation.json"), "utf8"));
    expect(worst.length).toBeGreaterThan(0);
    expect([...page.matchAll(/<img class="small" src="data:image\/png;base64,/g)]).toHaveLength(worst.length);
    expect(page).toContain("Conv2d: ");
    expect(page).toContain("<svg");
    expect(page).not.toContain('class="note"');
    expect((await runs(join(folder, "real"))).out).toContain("2/2");
  });

  test("continues with more epochs", async () => {
    const longer = join(folder, "longer");
    cpSync(dir, longer, { recursive: true });
    const more = config({ model: "small", data, epochs: 3, batchSize: 32 });
    const epochs: number[] = [];
    for await (const event of trainRun(more, { dir: longer, makeModel, resume: true }))
      if (event.type === "epoch") epochs.push(event.epoch);
    expect(epochs).toEqual([2]);
    const run = await readRun(longer);
    expect(run).toMatchObject({ state: "finished", config: { epochs: 3 } });
    expect(run.epochs.map(({ epoch }) => epoch)).toEqual([0, 1, 2]);
  });

  test("opens each part of its data once, and makes its first batch once", async () => {
    const found = await locateDataset(data);
    const opened: string[] = [];
    const read: number[] = [];
    const located = openedOnce({
      ...found,
      async open(part) {
        opened.push(part);
        const { memory: _, source: __, ...set } = (await found.open(part)) as MemoryDataset;
        const get = (index: number) => {
          if (part === "train") read.push(index);
          return set.get(index);
        };
        return { ...set, get };
      },
    });
    await dataFacts(located);
    const again = join(folder, "again");
    const once = config({ model: "small", data, epochs: 1, batchSize: 50 });
    for await (const _ of trainRun(once, { dir: again, makeModel, located }));
    await writeReport(again, { makeModel, located });
    expect(opened.sort()).toEqual(["test", "train"]);
    // the recipe looks at the first image; epoch 0 has each of the 100 once; epoch 1 is begun ahead while it is evaluated
    expect(read.length).toBeLessThanOrEqual(1 + 100 + 100);
    expect(read.slice(0, 101).sort((a, b) => a - b)).toEqual([0, ...Array.from({ length: 100 }, (_, i) => i)]);
  });

  test("can be told of when its data set and its network are gone", async () => {
    const moved = join(folder, "moved");
    cpSync(dir, moved, { recursive: true });
    const gone = JSON.parse(readFileSync(join(moved, "config.json"), "utf8"));
    writeFileSync(join(moved, "config.json"), JSON.stringify({ ...gone, data: join(folder, "gone") }));
    await writeReport(moved);
    const page = readFileSync(join(moved, "report.html"), "utf8");
    expect(page).toContain("The data set was not found, so no mistakes are shown: ");
    expect(page).toContain("The network cannot be shown: ");
    expect(page).toContain("Best top-1");
    appendFileSync(join(moved, "evaluation.json"), "x");
    await expect(writeReport(moved)).rejects.toThrow(/evaluation\.json is damaged/);
  });
});
