import { afterAll, describe, expect, it } from "vitest";
import { noChromium } from "../support/browser.ts";
import { unless } from "../support/skip.ts";
import { Pages } from "./chromium.ts";
import { conform } from "./conform.ts";
import { SUITE } from "./suite.ts";

/** What Chromium finds to compute with, if anything. */
const ADAPTER = `navigator.gpu?.requestAdapter().then((adapter) =>
  adapter && [adapter.info.vendor, adapter.info.architecture].join(" "))`;

const pages = noChromium ? undefined : await Pages.create();
const wasm = await pages?.open();
const webgpu = await pages?.open({ webgpu: true });
const adapter = await webgpu?.evaluate<string | null>(ADAPTER);

afterAll(() => pages?.close());

conform("onnxruntime-web on WebAssembly", ({ name }) => wasm!.call("attempt", name, "wasm"), { reason: noChromium });

conform(`onnxruntime-web on WebGPU (${adapter})`, ({ name }) => webgpu!.call("attempt", name, "webgpu"), {
  reason: noChromium ?? (adapter ? undefined : "Chromium finds no WebGPU adapter"),
});

describe("an engine elsewhere", unless(noChromium), () => {
  it("runs in a worker as it does in a page", async () => {
    const page = await pages!.open();
    const training = SUITE.find(({ name }) => name.startsWith("training nin"))!;
    expect(await page.call("attemptInWorker", training.name)).toBeUndefined();
  });

  it("takes ONNX Runtime's files from where it is told", async () => {
    const page = await pages!.open();
    expect(await page.call("attempt", SUITE[0]!.name, "wasm", { wasmPaths: "/ort/" })).toBeUndefined();
    const loaded = await page.evaluate<string[]>('performance.getEntriesByType("resource").map(({ name }) => name)');
    expect(loaded.filter((name) => name.endsWith(".wasm"))).toEqual([expect.stringContaining("/ort/")]);
  });
});

describe("an engine that cannot be made", unless(noChromium), () => {
  it("says that there is no adapter, and what to do", async () => {
    const page = await pages!.open();
    await page.evaluate('Object.defineProperty(navigator, "gpu", { value: { requestAdapter: async () => null } })');
    expect(await page.call("error", { device: "webgpu" })).toMatch(/EngineError: .*no adapter.*use device "wasm"/);
  });

  it("says that there is no WebGPU, and what to do", async () => {
    const page = await pages!.open();
    await page.evaluate('Object.defineProperty(navigator, "gpu", { value: undefined })');
    expect(await page.call("error", { device: "webgpu" })).toMatch(/EngineError: .*no WebGPU.*https.*use .*"wasm"/);
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
