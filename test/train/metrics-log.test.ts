import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { MetricsLog, openMetricsLog, readMetrics } from "../../src/runs/node/metrics-log.ts";
import { type Course, course } from "./made-up.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-metrics-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const newDir = () => mkdtempSync(join(folder, "run-"));
const file = (dir: string) => join(dir, "metrics.jsonl");

const TIME = new Date("2026-01-02T03:04:05Z");

async function log(dir: string, options: Course, resumeAtStep?: number): Promise<void> {
  const metrics = await openMetricsLog(dir, resumeAtStep === undefined ? {} : { resumeAtStep });
  for (const event of course(options)) await metrics.add(event, TIME);
  await metrics.close();
}

describe("metrics.jsonl", () => {
  test("has a line for each step and epoch, and one for the end", async () => {
    const dir = newDir();
    await log(dir, { epochs: 2, stepsPerEpoch: 3 });
    const lines = readFileSync(file(dir), "utf8").trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line).type)).toEqual([
      ...["step", "step", "step", "epoch"],
      ...["step", "step", "step", "epoch", "end"],
    ]);
    const [first] = [...course({ epochs: 2, stepsPerEpoch: 3 })].filter((event) => event.type === "step");
    expect(JSON.parse(lines[0]!)).toEqual(first);
    const epoch = JSON.parse(lines[3]!);
    expect(epoch).toMatchObject({ epoch: 0, step: 3, utilisation: 0.98, best: true, time: TIME.toISOString() });
    // what has a file of its own, or no place in JSON, is left out
    expect(Object.keys(epoch.validation)).toEqual(["images", "loss", "top1", "top5", "perClass", "seconds"]);
    expect(epoch.validation.perClass.at(-1)).toBe(null);
    expect(JSON.parse(lines.at(-1)!)).toEqual({
      type: "end",
      reason: "finished",
      epochs: 2,
      time: TIME.toISOString(),
    });
    expect(await readMetrics(dir)).toEqual(lines.map((line) => JSON.parse(line)));
  });

  test("keeps no half line where the disk is full, and can still tell why the run failed", async () => {
    const dir = newDir();
    const handle = await open(file(dir), "a");
    let room = 5;
    const small = new Proxy(handle, {
      get(target, name) {
        if (name === "appendFile") {
          return async (text: string) => {
            if (room-- > 0) return target.appendFile(text);
            await target.appendFile(text.slice(0, text.length / 2));
            throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
          };
        }
        const value = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const metrics = new MetricsLog(file(dir), small);
    const events = [...course({ epochs: 9, stepsPerEpoch: 3 })];
    const all = (async () => {
      for (const event of events) await metrics.add(event, TIME);
    })();
    await expect(all).rejects.toThrow(`${file(dir)}: the disk is full; what was saved before is untouched`);
    room = 1;
    await metrics.fail("failed", "the disk is full", TIME);
    await metrics.close();
    const lines = await readMetrics(dir);
    expect(lines.filter(({ type }) => type === "epoch")).toHaveLength(5);
    expect(lines.at(-1)).toMatchObject({ type: "end", reason: "failed", epochs: 6, message: "the disk is full" });
  });

  test("is complete up to each epoch and checkpoint", async () => {
    const dir = newDir();
    const metrics = await openMetricsLog(dir);
    let steps = 0;
    for (const event of course({ stopAfter: 8 })) {
      await metrics.add(event, TIME);
      if (event.type === "step") steps = event.step;
      if (event.type !== "epoch" && event.type !== "checkpoint") continue;
      expect((await readMetrics(dir)).filter(({ type }) => type === "step")).toHaveLength(steps);
    }
    expect(steps).toBe(8);
    await metrics.close();
  });

  test("a new run starts an empty one", async () => {
    const dir = newDir();
    await log(dir, {});
    await (await openMetricsLog(dir)).close();
    expect(readFileSync(file(dir), "utf8")).toBe("");
  });

  test("killed anywhere and resumed from any checkpoint before, it equals that of an unbroken run", async () => {
    const whole = newDir();
    await log(whole, {});
    const text = readFileSync(file(whole), "utf8");
    const lines = text.split("\n");
    const bytesUpTo = (step: number) =>
      lines.slice(0, lines.findLastIndex((line) => line.includes(`"step":${step},`)) + 1).join("\n").length + 1;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 14 }), fc.nat(), async (checkpoint, beyond) => {
        const dir = newDir();
        // lines up to the checkpoint were flushed; anything after them may be there, cut at any byte
        const least = bytesUpTo(checkpoint);
        writeFileSync(file(dir), text.slice(0, least + (beyond % (text.length - least + 1))));
        await log(dir, { from: checkpoint }, checkpoint);
        expect(readFileSync(file(dir), "utf8")).toBe(text);
        expect(readdirSync(dir)).toEqual(["metrics.jsonl"]);
      }),
      { numRuns: 40 },
    );
  });

  test("a last line cut short is passed over, another damaged line is named", async () => {
    const dir = newDir();
    await log(dir, { epochs: 1 });
    const before = await readMetrics(dir);
    appendFileSync(file(dir), '{"type":"step","epo');
    expect(await readMetrics(dir)).toEqual(before);
    appendFileSync(file(dir), "\n");
    await expect(readMetrics(dir)).rejects.toThrow(/metrics\.jsonl, line 8 is damaged .*remove that line/);
    writeFileSync(file(dir), '{"type":"step","epoch":0}\n');
    await expect(readMetrics(dir)).rejects.toThrow(/line 1 is damaged \(batch: /);
  });

  test("a folder without one has no metrics", async () => {
    expect(await readMetrics(newDir())).toEqual([]);
  });
});
