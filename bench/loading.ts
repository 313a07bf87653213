/**
 * Images per second of `workerLoader` against torchvision's DataLoader, over a folder of images: RandomResizedCrop 224, flip,
 * normalize. An epoch of ours, one of theirs, and so on; the ratio is the median over the pairs. The processor's time per image is that
 * of all threads and processes.
 *
 *     npm run build && npx tsx bench/loading.ts FOLDER [--photographs] [--pairs N] [--batch N]
 *
 * With `--photographs`, 48 of 2 to 12 megapixels are made of the folder's images, in a temporary folder.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { NORMALIZATION, type Transform } from "../src/data/index.ts";
import { imageFolder, workerLoader } from "../src/data/node/index.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    photographs: { type: "boolean", default: false },
    pairs: { type: "string", default: "5" },
    batch: { type: "string", default: "32" },
  },
});
const [given] = positionals;
if (!given) throw new Error("name a folder of images, one subfolder per class");
const python = process.env.PYTHON ?? "/usr/bin/python3";
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const TRANSFORMS: readonly Transform[] = [
  { randomResizedCrop: { size: 224 } },
  "randomHorizontalFlip",
  { normalize: NORMALIZATION.imagenet },
];
const batchSize = Number(values.batch);
const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;

/** Of an epoch: images per second, and the processor's milliseconds per image. */
type Speed = readonly [rate: number, processor: number];

interface Side {
  go(): Promise<Speed>;
  close(): Promise<void>;
}

async function ours(folder: string, workers: number): Promise<Side> {
  // in the order of the set: a loader that shuffles begins its next epoch while the peer is timed
  const loader = workerLoader(await imageFolder(folder), { batchSize, workers, transforms: TRANSFORMS });
  let epoch = 0;
  const go = async () => {
    const [start, before] = [performance.now(), process.cpuUsage()];
    let count = 0;
    for await (const { labels } of loader.epoch(epoch++)) count += labels.data.length;
    const { user, system } = process.cpuUsage(before);
    return [count / ((performance.now() - start) / 1000), (user + system) / 1000 / count] as const;
  };
  await go();
  return { go, close: () => loader.close() };
}

async function theirs(folder: string, workers: number): Promise<Side | undefined> {
  const child = spawn(python, [here("./peers/loading.py"), folder, String(workers), String(batchSize)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  if ((await lines.next()).value !== "ready") return undefined;
  const go = async () => {
    child.stdin.write("go\n");
    const [rate, processor] = String((await lines.next()).value)
      .split(" ")
      .map(Number);
    return [rate!, processor!] as const;
  };
  return { go, close: async () => void child.stdin.end() };
}

const shown = (speeds: readonly Speed[]) =>
  `${median(speeds.map(([rate]) => rate)).toFixed(0)} images/s (${median(speeds.map(([, processor]) => processor)).toFixed(2)} ms of the processor each)`;

async function compare(folder: string): Promise<void> {
  for (const workers of [1, 2]) {
    const [a, b] = [await ours(folder, workers), await theirs(folder, workers)];
    const pairs: [Speed, Speed][] = [];
    for (let i = 0; i < Number(values.pairs); i++)
      pairs.push([await a.go(), b ? await b.go() : [Number.NaN, Number.NaN]]);
    const ratios = pairs.map(([[x], [y]]) => x / y);
    console.log(
      `${workers} worker${workers > 1 ? "s" : ""}: ${shown(pairs.map(([x]) => x))}, torchvision ${shown(pairs.map(([, y]) => y))}, ` +
        `${median(ratios).toFixed(2)}× [${Math.min(...ratios).toFixed(2)} … ${Math.max(...ratios).toFixed(2)}]`,
    );
    await a.close();
    await b?.close();
  }
}

if (values.photographs) {
  const folder = mkdtempSync(join(tmpdir(), "convnets-photographs-"));
  try {
    execFileSync(python, [here("./peers/photographs.py"), given, folder, "48"]);
    await compare(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
} else await compare(given);
