import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { Random } from "../../src/random.ts";
import { writeCifar } from "../support/cifar.ts";

const CLI = fileURLToPath(new URL("../../dist/bundle/cli/main.js", import.meta.url));
const LIBRARY = new URL("../../dist/bundle/", import.meta.url).href;
const folder = mkdtempSync(join(tmpdir(), "convnets-kill-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A small network with everything that has a state: batch normalization, dropout. */
function writeModel(): string {
  const file = join(folder, "small.mjs");
  writeFileSync(
    file,
    `import { AdaptiveAvgPool2d, Dropout, Flatten, Linear, MaxPool2d, Sequential } from "${LIBRARY}index.js";
import { BasicConv } from "${LIBRARY}models/index.js";
export default () => new Sequential(
  new BasicConv(3, 8, 3, { stride: 2, padding: 1 }), new MaxPool2d(3, { stride: 2 }), new BasicConv(8, 16, 3, { padding: 1 }),
  new AdaptiveAvgPool2d(1), new Flatten(), new Dropout(0.2), new Linear(16, 10));`,
  );
  return file;
}

const data = join(folder, "data");
writeCifar(data, 96);
const model = writeModel();

function train(dir: string, resume: boolean): ChildProcess {
  const start = [
    "--data",
    data,
    "--epochs",
    "3",
    "--batch-size",
    "16",
    "--checkpoint-every",
    "3",
    "--threads",
    "1",
    "--ema",
    "0.9",
    "--out",
    dir,
  ];
  return spawn(process.execPath, [CLI, "train", ...(resume ? ["--resume", dir] : [model, ...start]), "--no-report"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
}

function ended(child: ChildProcess): Promise<{ code: number | null; signal: NodeJS.Signals | null; errors: string }> {
  let errors = "";
  child.stderr!.on("data", (chunk) => {
    errors += chunk;
  });
  return new Promise((resolve) => child.on("close", (code, signal) => resolve({ code, signal, errors })));
}

const KILLS = 30;

test(`a run killed with SIGKILL at ${KILLS} random moments ends with the bytes of an unbroken one`, {
  timeout: 600_000,
}, async () => {
  const whole = join(folder, "whole");
  const start = performance.now();
  expect(await ended(train(whole, false))).toMatchObject({ code: 0, errors: "" });
  const seconds = (performance.now() - start) / 1000;

  const random = new Random(1, "kill");
  let kills = 0;
  for (let attempt = 0; kills < KILLS; attempt++) {
    const dir = join(folder, `broken-${attempt}`);
    for (;;) {
      // killed before the config was there, there is nothing to resume yet
      const child = train(dir, existsRun(dir));
      // most lives end somewhere in the run, start and end included
      const timer =
        kills < KILLS
          ? setTimeout(() => child.kill("SIGKILL"), 1000 * seconds * (0.1 + 0.8 * random.uniform()))
          : undefined;
      const { code, signal, errors } = await ended(child);
      clearTimeout(timer);
      if (signal === "SIGKILL") {
        kills++;
        continue;
      }
      expect({ code, errors }).toEqual({ code: 0, errors: "" });
      break;
    }
    for (const file of ["last.safetensors", "best.safetensors"]) {
      expect(
        readFileSync(join(dir, file)).equals(readFileSync(join(whole, file))),
        `${file} after ${kills} kills`,
      ).toBe(true);
    }
    expect(steps(dir)).toEqual(steps(whole));
  }
});

function existsRun(dir: string): boolean {
  try {
    readFileSync(join(dir, "config.json"));
    return true;
  } catch {
    return false;
  }
}

/** Losses of every step as logged, each once. */
function steps(dir: string): number[][] {
  return readFileSync(join(dir, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter(({ type }) => type === "step")
    .map(({ step, loss }) => [step, loss]);
}
