/** Runs of a folder as the studio's server gives them: as they grow, to its page only, and with trainings that end with it. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ListedRun, type Measurements, type StudioServer, serveStudio } from "../../src/studio/node/index.ts";
import { buildPage } from "./page.ts";

const root = mkdtempSync(join(tmpdir(), "convnets-runs-"));
const folder = join(root, "work");
const runFolder = join(folder, "run", "first");
const metrics = join(runFolder, "metrics.jsonl");
const log = join(root, "log.txt");
let server: StudioServer;

/** Stands for `convnets`: writes down how it was called, makes a run, and ends when told. */
const TRAINER = `
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
const args = process.argv.slice(2);
const say = (text) => appendFileSync(${JSON.stringify(log)}, text + "\\n");
say(args.join(" "));
if (args.includes("--seed")) { process.stderr.write("error: the data set is not on this machine\\n"); process.exit(1); }
const dir = args[args.indexOf(args.includes("--out") ? "--out" : "--resume") + 1];
mkdirSync(dir, { recursive: true });
writeFileSync(dir + "/config.json", JSON.stringify({ model: args[1], data: "shapes", epochs: 3 }));
writeFileSync(dir + "/lock", process.pid + " " + ${JSON.stringify(hostname())} + "\\n");
process.on("SIGTERM", () => { say("saved " + process.pid); process.exit(0); });
setInterval(() => undefined, 1000);
`;

const step = (number: number) =>
  `${JSON.stringify({ type: "step", epoch: 0, batch: number, step: number, loss: 2 / number, accuracy: 0.1, lr: 0.1, images: 8, seconds: 0.01 })}\n`;
const epoch = `${JSON.stringify({ type: "epoch", epoch: 0, step: 3, lr: 0.1, train: {}, validation: { loss: 1, top1: 0.5 }, time: "2026-01-02T00:00:00.000Z" })}\n`;

beforeAll(async () => {
  await buildPage();
  for (const dir of [runFolder, join(folder, "photos", "cat"), join(folder, "photos", "dog"), join(root, "outside")])
    mkdirSync(dir, { recursive: true });
  writeFileSync(join(runFolder, "config.json"), JSON.stringify({ model: "vgg_small", data: "shapes", epochs: 2 }));
  writeFileSync(metrics, step(1) + step(2).slice(0, 20));
  writeFileSync(join(runFolder, "report.html"), "<h1>report</h1>");
  writeFileSync(join(root, "outside", "config.json"), JSON.stringify({ model: "nin", data: "shapes", epochs: 2 }));
  writeFileSync(join(root, "outside", "report.html"), "secret");
  symlinkSync(join(root, "outside"), join(folder, "run", "link"));
  for (const kind of ["cat", "dog"]) writeFileSync(join(folder, "photos", kind, "1.jpg"), "image");
  mkdirSync(join(folder, "run", "second"));
  writeFileSync(
    join(folder, "run", "second", "config.json"),
    JSON.stringify({ model: "net.ts", data: "shapes", epochs: 2 }),
  );
  symlinkSync(join(root, "outside", "report.html"), join(folder, "run", "second", "report.html"));
  writeFileSync(join(root, "trainer.mjs"), TRAINER);
  const command = [process.execPath, join(root, "trainer.mjs")] as [string, ...string[]];
  server = await serveStudio({ folder, train: { command, networks: ["vgg_small", "nin"], data: ["shapes"] } });
});
afterAll(async () => {
  await server?.close();
  rmSync(root, { recursive: true, force: true });
});

const ask = (path: string, init: RequestInit = {}) =>
  fetch(`http://127.0.0.1:${server.port}/api/${path}`, {
    ...init,
    headers: { Authorization: `Bearer ${server.token}`, ...init.headers },
  });
const json = async <T>(path: string) => (await (await ask(path)).json()) as T;
const listed = async (name: string) => (await json<ListedRun[]>("runs")).find((run) => run.name === name);
const order = (value: unknown) =>
  ask("start", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(value) });
const steps = async (after: number) => {
  const found = await json<Measurements>(`run?run=run/first&after=${after}`);
  return { from: found.from, steps: found.steps.map((one) => one.step) };
};

describe("runs", () => {
  it("are listed, but none behind a link that leads out of the folder", async () => {
    const runs = await json<ListedRun[]>("runs");
    expect(runs.map(({ name }) => name).sort()).toEqual(["run/first", "run/second"]);
    const first = runs.find(({ name }) => name === "run/first");
    expect(first).toMatchObject({ model: "vgg_small", state: "unfinished", step: 1, report: true, own: false });
    expect(runs.find(({ name }) => name === "run/second")?.report).toBe(false);
  });

  it("are read as they grow: whole lines, each once, and again where the file was replaced", async () => {
    expect(await steps(0)).toEqual({ from: 0, steps: [1] });
    appendFileSync(metrics, step(2).slice(20) + step(3) + epoch);
    expect(await steps(1)).toEqual({ from: 1, steps: [2, 3] });
    expect(await listed("run/first")).toMatchObject({ done: 1, best: { epoch: 0, top1: 0.5 } });
    writeFileSync(join(root, "kept"), step(1));
    rmSync(metrics);
    symlinkSync(join(root, "kept"), metrics);
    expect(await steps(3)).toEqual({ from: 0, steps: [] });
    rmSync(metrics);
    writeFileSync(metrics, step(1));
    expect(await steps(3)).toEqual({ from: 0, steps: [1] });
    writeFileSync(join(runFolder, "lock"), `${process.pid} ${hostname()}\n`);
    expect((await listed("run/first"))?.state).toBe("running");
    rmSync(join(runFolder, "lock"));
  });

  it("have the measures of their task: of several labels per image, and of numbers", async () => {
    const make = (name: string, accuracy: number | null, measured: object) => {
      mkdirSync(join(folder, "run", name));
      const config = { model: "vgg_small", data: "labels.csv", epochs: 2 };
      writeFileSync(join(folder, "run", name, "config.json"), JSON.stringify(config));
      const lines = [1, 2].flatMap((number) => [
        { ...JSON.parse(step(number)), accuracy, ...(accuracy !== null && { metrics: { accuracy, f1: 0.5 } }) },
        {
          ...JSON.parse(epoch),
          epoch: number - 1,
          step: number,
          validation: { loss: 1 / number, top1: null, ...measured },
        },
      ]);
      writeFileSync(
        join(folder, "run", name, "metrics.jsonl"),
        lines.map((line) => `${JSON.stringify(line)}\n`).join(""),
      );
    };
    const metrics = { accuracy: 0.9, f1: 0.6, meanAveragePrecision: 0.7 };
    make("labels", 0.8, { metrics });
    make("numbers", null, {});
    expect((await listed("run/labels"))?.best).toEqual({ epoch: 1, step: 2, loss: 0.5, ...metrics });
    expect((await json<Measurements>("run?run=run/labels&after=1")).steps).toMatchObject([{ accuracy: 0.8, f1: 0.5 }]);
    expect((await listed("run/numbers"))?.best).toEqual({ epoch: 1, step: 2, loss: 0.5 });
    expect((await json<Measurements>("run?run=run/numbers&after=0")).steps.length).toBe(2);
  });

  it("outside the folder are not there, and reports neither", async () => {
    expect(await (await ask("report?run=run/first")).text()).toBe("<h1>report</h1>");
    for (const name of [
      "../outside",
      "run/link",
      "run%2F..%2F..%2Foutside",
      join(root, "outside"),
      "run/second",
      "",
      "a\0",
    ]) {
      const { status } = await ask(`report?${name.includes("%") ? `run=${name}` : new URLSearchParams({ run: name })}`);
      expect(status, name).toBe(404);
    }
    for (const name of ["../outside", "run/link", "photos"])
      expect((await ask(`run?${new URLSearchParams({ run: name })}`)).status).toBe(404);
  });
});

describe("trainings", () => {
  it("start with a token, as JSON, from the studio's own page", async () => {
    const wanted = { model: "vgg_small", data: "shapes" };
    const init = { method: "POST", body: JSON.stringify(wanted) };
    expect((await ask("start", { ...init, headers: { Authorization: "Bearer no" } })).status).toBe(401);
    expect((await ask("start", init)).status).toBe(400);
    expect((await ask("start", { ...init, headers: { origin: "https://example.com" } })).status).toBe(403);
    expect((await ask("start")).status).toBe(404);
    expect(existsSync(log)).toBe(false);
  });

  it.each([
    [{ model: "net.mjs", data: "shapes" }, /only registered networks/],
    [{ model: "nin", data: "../outside" }, /no data set/],
    [{ model: "nin", data: "run/link" }, /no data set/],
    [{ model: "nin", data: "shapes", epochs: "1; ls" }, /epochs cannot be/],
    [{ model: "nin", data: "shapes", epochs: 0.5 }, /epochs cannot be/],
    [{ model: "nin", data: "shapes", weights: "a.pth" }, /no such setting: "weights"/],
    [{ model: "nin", data: "shapes", toString: 1 }, /no such setting/],
  ])("follow no other order: %j", async (wanted, problem) => {
    const answer = await order(wanted);
    expect(answer.status).toBe(400);
    expect(await answer.text()).toMatch(problem);
  });

  it("run with the settings of the page, say why they failed, and stop", async () => {
    expect((await json<{ data: string[] }>("choices")).data).toEqual(["shapes", "photos"]);
    const failed = ((await (await order({ model: "nin", data: "photos", seed: 1 })).json()) as { run: string }).run;
    await expect.poll(async () => (await listed(failed))?.problem).toBe("error: the data set is not on this machine");
    const answer = await order({ model: "nin", data: "shapes", epochs: 3, lr: 0.01 });
    const { run } = (await answer.json()) as { run: string };
    await expect.poll(async () => (await listed(run))?.state).toBe("running");
    expect(readFileSync(log, "utf8")).toContain(
      `train nin --data shapes --out ${run} --offline --epochs 3 --lr 0.01 --json`,
    );
    expect((await ask(`stop?run=${run}`, { method: "POST" })).status).toBe(200);
    await expect.poll(async () => (await listed(run))?.own).toBe(false);
    expect((await ask(`stop?run=${run}`, { method: "POST" })).status).toBe(400);
    expect((await ask("stop?run=run/first", { method: "POST" })).status).toBe(400);
    // the network of this run is a file, which would be executed
    expect(await (await ask("resume?run=run/second", { method: "POST" })).text()).toMatch(/is code in a file/);
  });

  it("end, saved, when the server ends", async () => {
    await order({ model: "vgg_small", data: "shapes" });
    const running = async () =>
      (await json<ListedRun[]>("runs")).filter(({ own, state }) => own && state === "running");
    await expect.poll(async () => (await running()).length).toBe(1);
    const [, pid] = /^(\d+) /.exec(readFileSync(join(folder, (await running())[0]!.name, "lock"), "utf8")) ?? [];
    await server.close();
    expect(readFileSync(log, "utf8")).toContain(`saved ${pid}`);
    expect(() => process.kill(Number(pid), 0)).toThrow();
  });
});
