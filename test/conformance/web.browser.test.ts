import { afterAll, describe, expect, it } from "vitest";
import { noChromium } from "../support/browser.ts";
import { unless } from "../support/skip.ts";
import { Pages } from "./chromium.ts";
import { conform } from "./conform.ts";
import { SUITE } from "./suite.ts";

const pages = noChromium ? undefined : await Pages.create();
const wasm = await pages?.open();

afterAll(() => pages?.close());

conform("onnxruntime-web on WebAssembly", ({ name }) => wasm!.call("attempt", name, "wasm"), { reason: noChromium });

describe("an engine elsewhere", unless(noChromium), () => {
  it("runs in a worker as it does in a page", async () => {
    const training = SUITE.find(({ name }) => name.startsWith("training nin"))!;
    expect(await wasm!.call("attemptInWorker", training.name)).toBeUndefined();
  });

  it("takes ONNX Runtime's files from where it is told", async () => {
    const page = await pages!.open();
    expect(await page.call("attempt", SUITE[0]!.name, "wasm", { wasmPaths: "/ort/" })).toBeUndefined();
    const loaded = await page.evaluate<string[]>('performance.getEntriesByType("resource").map(({ name }) => name)');
    expect(loaded.filter((name) => name.endsWith(".wasm"))).toEqual([expect.stringContaining("/ort/")]);
  });
});

describe("an engine that cannot be made", unless(noChromium), () => {
  it("says that there is no WebGPU or no adapter, and what to do", async () => {
    const gpu = (value: string) =>
      wasm!.evaluate(`Object.defineProperty(navigator, "gpu", { configurable: true, value: ${value} })`);
    await gpu("{ requestAdapter: async () => null }");
    expect(await wasm!.call("error", { device: "webgpu" })).toMatch(/EngineError: .*no adapter.*use device "wasm"/);
    await gpu("undefined");
    expect(await wasm!.call("error", { device: "webgpu" })).toMatch(/EngineError: .*no WebGPU.*https.*use .*"wasm"/);
  });

  it("says that threads need isolation, and of which headers", async () => {
    const page = await pages!.open({ isolated: false });
    expect(await page.call("error", { threads: 2 })).toMatch(/EngineError: .*Cross-Origin-Opener-Policy: same-origin/);
    expect(await page.call("error", { threads: 1 })).toBeUndefined();
  });

  it("says that the number of threads cannot change", async () => {
    const page = await pages!.open();
    expect(await page.call("error", { threads: 2 })).toBeUndefined();
    expect(await page.call("error", { threads: 1 })).toMatch(/EngineError: .*1 thread: .*with 2 threads already/);
    expect(await page.call("error", {})).toBeUndefined();
  });
});
