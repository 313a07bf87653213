import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { environment } from "../../src/runs/node/environment.ts";

const versionOf = (path: string) => JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")).version;

test("the environment names the versions, the machine, the threads and the time", () => {
  const started = new Date("2026-01-02T03:04:05Z");
  const found = environment({ threads: 3 }, started);
  expect(found).toMatchObject({
    convnets: versionOf("../../package.json"),
    node: process.version,
    onnxruntime: versionOf("../../node_modules/onnxruntime-node/package.json"),
    threads: 3,
    started: "2026-01-02T03:04:05.000Z",
  });
  expect(found.memory).toMatch(/^\d+\.\d GiB$/);
  expect(environment({}, started).threads).toBe(found.cores);
});
