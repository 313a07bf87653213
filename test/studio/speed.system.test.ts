/**
 * How soon the studio answers. It is measured and reported only, as another process may have the processor:
 *
 *     npx vitest run test/studio/speed.system.test.ts
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noChromium } from "../support/browser.ts";
import { unless } from "../support/skip.ts";
import { Studios } from "./studio.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-speed-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const CHOSEN = {
  ...{ data: { kind: "shapes", images: 320 }, device: "wasm" },
  asked: { "vgg_small  shapes": { epochs: 2, batchSize: 16, lr: 0.02 } },
};

/**
 * For the page: how long it takes from an act until its effect is painted, and what its thread does meanwhile.
 *
 * A frame's callbacks run before it is painted, and a message that they send arrives after it.
 */
const INSTRUMENTS = `
  globalThis.painted = () => new Promise((done) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = done;
    port2.postMessage(0);
  }));
  globalThis.until = async (condition, act = () => undefined) => {
    const start = performance.now();
    act();
    while (!condition()) await new Promise(requestAnimationFrame);
    await painted();
    return performance.now() - start;
  };
  globalThis.box = (id) => document.querySelector('.map [data-id="' + id + '"]');
  globalThis.watch = () => {
    const seen = { tasks: [], frames: [] };
    const observer = new PerformanceObserver((list) => seen.tasks.push(...list.getEntries().map(({ duration }) => duration)));
    observer.observe({ type: "longtask" });
    let before = performance.now();
    const frame = (now) => {
      seen.frames.push(now - before);
      before = now;
      if (!seen.ended) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    globalThis.seen = seen;
  };
`;

const milliseconds = (times: readonly number[]) => {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]?.toFixed(0) ?? "–";
  return `median ${at(0.5)} ms, longest ${at(1)} ms`;
};
interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  readonly args: { readonly name?: string };
  /** Microseconds on the clock, and of the processor. */
  readonly dur?: number;
  readonly tdur?: number;
}

/** Milliseconds of the processor that the tasks of the busiest page's thread took. */
function processorTimes(trace: Buffer): number[] {
  const { traceEvents: events } = JSON.parse(trace.toString()) as { traceEvents: TraceEvent[] };
  const pages = events.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain");
  const times = pages.map(({ pid, tid }) =>
    events.flatMap((event) =>
      event.name === "ThreadControllerImpl::RunTask" && event.ph === "X" && event.pid === pid && event.tid === tid
        ? [(event.tdur ?? 0) / 1000]
        : [],
    ),
  );
  return times.sort((a, b) => b.length - a.length)[0] ?? [];
}
const report = (what: string) => console.info(`studio: ${what}`);

describe("in Chromium", unless(noChromium), () => {
  let studios: Studios;
  beforeAll(async () => {
    studios = await Studios.create(folder);
  });
  afterAll(() => studios?.close());

  /** A page that starts with nothing in its cache, as on a first visit, and moves as for most people. */
  async function visit(): Promise<{ page: Page; problems: readonly string[] }> {
    const opened = await studios.open("net=nin", { reducedMotion: "no-preference" });
    await opened.page.addInitScript(INSTRUMENTS);
    return opened;
  }

  it("GoogLeNet's map is there soon, and answers clicks and zooms at once", async () => {
    const { page, problems } = await visit();
    const session = await page.context().newCDPSession(page);
    await session.send("Network.setCacheDisabled", { cacheDisabled: true });
    const scripts = new Map<string, Promise<number>>();
    page.on("response", (response) => {
      const type = response.request().resourceType();
      if (type !== "script" && !/\.js$/.test(response.url())) return;
      scripts.set(
        response.url(),
        response.body().then(
          (body) => gzipSync(body).length,
          () => 0,
        ),
      );
    });
    await page.goto(`${page.url().replace(/#.*/, "")}?again#/explore?net=googlenet`);
    const first = (await page.evaluate(`(async () => {
      await until(() => box("inception3b"));
      const shown = performance.now();
      const clicked = await until(() => box("inception3b").classList.contains("is-selected"), () =>
        box("inception3b").dispatchEvent(new MouseEvent("click", { bubbles: true })));
      return [shown, shown + clicked];
    })()`)) as [number, number];
    const sizes = await Promise.all(scripts.values());
    const size = sizes.reduce((sum, one) => sum + one, 0) / 1000;
    report(
      `GoogLeNet's map ${first[0].toFixed(0)} ms after the page was asked for, the first click answered at ${first[1].toFixed(0)} ms`,
    );
    report(`scripts before that ${size.toFixed(0)} kB after gzip, in ${sizes.length} files`);

    const blocks = ["3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"];
    // the picture has traveled through the map
    await page.waitForSelector(".journey", { state: "detached" });
    const acts = (await page.evaluate(`(async () => {
      const times = { clicked: [], opened: [] };
      const rest = () => new Promise((done) => setTimeout(done, 300));
      for (const block of ${JSON.stringify(blocks)}) {
        const id = "inception" + block;
        const act = (type) => () => box(id).dispatchEvent(new MouseEvent(type, { bubbles: true }));
        times.clicked.push(await until(() => box(id).classList.contains("is-selected"), act("click")));
        await rest();
        times.opened.push(await until(() => box(id).classList.contains("is-frame"), act("dblclick")));
        await rest();
      }
      return times;
    })()`)) as { clicked: number[]; opened: number[] };
    const zoomed = (await page.evaluate(`(async () => {
      const canvas = document.querySelector(".map-canvas");
      const moved = () => canvas.querySelector("g").getAttribute("transform");
      const { left, top, width, height } = canvas.getBoundingClientRect();
      const times = [];
      for (let i = 0; i < 20; i++) {
        const before = moved();
        times.push(await until(() => moved() !== before, () => canvas.dispatchEvent(new WheelEvent("wheel", {
          deltaY: i % 10 < 5 ? -120 : 120, clientX: left + width / 2, clientY: top + height / 2, bubbles: true, cancelable: true }))));
      }
      return times;
    })()`)) as number[];
    report(`a click selects a block, painted after: ${milliseconds(acts.clicked)}`);
    report(
      `a double click opens it: ${milliseconds(acts.opened)}; a zoom with all blocks open: ${milliseconds(zoomed)}`,
    );
    expect(acts.opened).toHaveLength(blocks.length);
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it("the page's thread is free while a step of a training computes", async () => {
    const { page, problems } = await visit();
    await page.evaluate(`localStorage.setItem("convnets-training", ${JSON.stringify(JSON.stringify(CHOSEN))})`);
    await page.goto(`${page.url().replace(/#.*/, "")}?again#/train?net=vgg_small`);
    await page.waitForSelector(".preview canvas");
    await page.getByRole("button", { name: "Start training", exact: true }).click();
    await page.getByText(/step [23] of/).waitFor();
    const browser = page.context().browser()!;
    await browser.startTracing(page, { categories: ["toplevel"] });
    await page.evaluate("watch()");
    await page.waitForSelector(".run-title .dot.is-finished");
    const processor = processorTimes(await browser.stopTracing());
    const { tasks, frames } = (await page.evaluate("(seen.ended = true, seen)")) as Record<string, number[]>;
    const seconds = frames!.reduce((sum, one) => sum + one, 0) / 1000;
    report(
      `a training of vgg_small for ${seconds.toFixed(1)} s: ${(frames!.length / seconds).toFixed(0)} frames per second, ${tasks!.length} tasks of the page's thread over 50 ms${tasks!.length > 0 ? `: ${milliseconds(tasks!)}` : ""}`,
    );
    report(`no task of the page's thread computed for more than ${Math.ceil(Math.max(...processor))} ms`);
    expect(problems).toEqual([]);
    await page.context().close();
  }, 120_000);
});
