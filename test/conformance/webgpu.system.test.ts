/** The suite on WebGPU. On machines without a GPU, Chromium computes it in software, and takes minutes to compile the shaders. */
import { afterAll } from "vitest";
import { noChromium } from "../support/browser.ts";
import { Pages } from "./chromium.ts";
import { conform } from "./conform.ts";

/** What Chromium finds to compute with, if anything. */
const ADAPTER = `navigator.gpu?.requestAdapter().then((adapter) =>
  adapter && [adapter.info.vendor, adapter.info.architecture].join(" "))`;

const pages = noChromium ? undefined : await Pages.create();
const webgpu = await pages?.open({ webgpu: true });
const adapter = await webgpu?.evaluate<string | null>(ADAPTER);

afterAll(() => pages?.close());

conform(`onnxruntime-web on WebGPU (${adapter})`, ({ name }) => webgpu!.call("attempt", name, "webgpu"), {
  reason: noChromium ?? (adapter ? undefined : "Chromium finds no WebGPU adapter"),
});
