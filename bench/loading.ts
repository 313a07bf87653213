/**
 * Images per second of `workerLoader` against torchvision's DataLoader, over a folder of images: RandomResizedCrop 224, flip,
 * normalize. An epoch of ours, one of theirs, and so on; the ratio is the median over the pairs.
 *
 *     npm run build && npx tsx bench/loading.ts FOLDER [--pairs N] [--batch N]
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { NORMALIZATION, type Transform } from "../src/data/index.ts";
import { imageFolder, workerLoader } from "../src/data/node/index.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { pairs: { type: "string", default: "5" }, batch: { type: "string", default: "32" } },
});
const [folder] = positionals;
if (!folder) throw new Error("name a folder of images, one subfolder per class");

const TRANSFORMS: readonly Transform[] = [
  { randomResizedCrop: { size: 224 } },
  "randomHorizontalFlip",
  { normalize: NORMALIZATION.imagenet },
];
const batchSize = Number(values.batch);
const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;

/** Images per second of an epoch. */
async function ours(workers: number): Promise<{ go(): Promise<number>; close(): Promise<void> }> {
  const loader = workerLoader(await imageFolder(folder!), {
    batchSize,
    workers,
    shuffle: true,
    transforms: TRANSFORMS,
  });
  let epoch = 0;
  const go = async () => {
    const start = performance.now();
    let count = 0;
    for await (const { labels } of loader.epoch(epoch++)) count += labels.data.length;
    return count / ((performance.now() - start) / 1000);
  };
  await go();
  return { go, close: () => loader.close() };
}

async function theirs(workers: number): Promise<{ go(): Promise<number>; close(): Promise<void> } | undefined> {
  const script = fileURLToPath(new URL("./peers/loading.py", import.meta.url));
  const python = process.env.PYTHON ?? "/usr/bin/python3";
  const child = spawn(python, [script, folder!, String(workers), String(batchSize)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  if ((await lines.next()).value !== "ready") return undefined;
  const go = async () => {
    child.stdin.write("go\n");
    return Number((await lines.next()).value);
  };
  return { go, close: async () => void child.stdin.end() };
}

for (const workers of [1, 2]) {
  const [a, b] = [await ours(workers), await theirs(workers)];
  const pairs: [number, number][] = [];
  for (let i = 0; i < Number(values.pairs); i++) pairs.push([await a.go(), b ? await b.go() : Number.NaN]);
  const ratios = pairs.map(([x, y]) => x / y);
  console.log(
    `${workers} worker${workers > 1 ? "s" : ""}: ${median(pairs.map(([x]) => x)).toFixed(0)} images/s, torchvision ${median(pairs.map(([, y]) => y)).toFixed(0)}, ` +
      `${median(ratios).toFixed(2)}× [${Math.min(...ratios).toFixed(2)} … ${Math.max(...ratios).toFixed(2)}]`,
  );
  await a.close();
  await b?.close();
}
