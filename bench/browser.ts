/**
 * Training steps in Chromium, on WebAssembly with two threads, against those of Node's native engine on two threads, in turn.
 *
 *     npx tsx bench/browser.ts [--only nin,inception_small,vgg_small] [--pairs N] [--steps N]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { nodeEngine } from "convnets/node";
import { chromium } from "playwright-core";
import { build, type InlineConfig, preview } from "vite";
import { CASES } from "./cases.ts";
import { type Measured, type Plan, training } from "./gpu/measure.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "vgg_small,inception_small,nin" },
    pairs: { type: "string", default: "3" },
    steps: { type: "string", default: "6" },
  },
});
const THREADS = 2;
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "convnets-browser-"));
const ISOLATION = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };
const config: InlineConfig = {
  root: here("browser"),
  configFile: false,
  logLevel: "error",
  resolve: { alias: { "convnets/web": here("../src/web.ts"), convnets: here("../src/index.ts") } },
  worker: { format: "es" },
  build: { outDir: folder, target: "es2022" },
  // threads in WebAssembly need these headers
  preview: { headers: ISOLATION, host: "127.0.0.1" },
};
await build(config);
const server = await preview(config);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});

async function inBrowser(plan: Plan): Promise<Pick<Measured, "step" | "losses">> {
  const page = await browser.newPage();
  await page.goto(server.resolvedUrls!.local[0]!);
  await page.waitForFunction("globalThis.measure");
  const measured = await page.evaluate(
    ([plan, threads]) =>
      (globalThis as unknown as { measure(plan: Plan, threads: number): Promise<Measured> }).measure(plan, threads),
    [plan, THREADS] as const,
  );
  await page.close();
  return measured;
}

const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;
const version = browser.version();
console.log(`${cpus()[0]!.model}, ${THREADS} threads each, Node ${process.version.slice(1)}, Chromium ${version}\n`);
console.log(
  "| case | native, ms | Chromium, ms | native / Chromium | losses apart |\n| --- | ---: | ---: | ---: | ---: |",
);
for (const network of values.only.split(",")) {
  const { size, batch } = CASES.find((one) => one.network === network && one.mode === "train")!;
  const plan: Plan = {
    ...{ network: network as Plan["network"], size, infer: [], train: batch },
    ...{ steps: Number(values.steps), seconds: 0 },
  };
  const pairs: [number, number][] = [];
  let apart = 0;
  for (let i = 0; i < Number(values.pairs); i++) {
    const native = await training(nodeEngine({ threads: THREADS }), plan);
    const page = await inBrowser(plan);
    pairs.push([native.step, page.step]);
    for (const [k, loss] of native.losses.entries()) apart = Math.max(apart, Math.abs(page.losses[k]! - loss) / loss);
  }
  const [a, b] = [0, 1].map((side) => median(pairs.map((pair) => pair[side]!)).toFixed(0));
  const ratios = pairs.map(([native, page]) => native / page);
  const [lowest, highest] = [Math.min(...ratios).toFixed(2), Math.max(...ratios).toFixed(2)];
  console.log(
    `| ${network}, batch ${batch} | ${a} | ${b} | ${median(ratios).toFixed(2)} (${lowest} … ${highest}) | ${apart.toExponential(0)} |`,
  );
}
await browser.close();
await server.close();
rmSync(folder, { recursive: true });
