/**
 * `convnets classify` against Pillow and ONNX Runtime, one after the other, in Python: GoogLeNet with random weights, in the same .onnx
 * file. Images per second without what is done once, over `--images` files; and the seconds from the start of the process to the answer
 * for one image. Ours and theirs in turn; the ratio is the median over the pairs.
 *
 *     npm run build && npx tsx bench/classify.ts FOLDER [--images N] [--pairs N]
 *
 * PYTHON_ORT names a Python that has onnxruntime, numpy and Pillow. A folder with fewer images is gone through several times.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { imagesBelow } from "../src/data/node/index.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { images: { type: "string", default: "1000" }, pairs: { type: "string", default: "3" } },
});
const [folder] = positionals;
if (!folder) throw new Error("name a folder of images");
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;

const scratch = mkdtempSync(join(tmpdir(), "convnets-classify-"));
const network = join(scratch, "googlenet.onnx");

/** Runs a process to its end; its standard output and error, and the seconds that it took. */
function run(command: string, args: readonly string[]): { text: string; seconds: number } {
  const start = performance.now();
  const { stdout, stderr, status } = spawnSync(command, args, { encoding: "utf8", maxBuffer: 2 ** 28 });
  if (status !== 0) throw new Error(`${command} ${args[0]}: ${stderr}`);
  return { text: stdout + stderr, seconds: (performance.now() - start) / 1000 };
}

const convnets = (...args: string[]) => run(process.execPath, [here("../dist/bundle/cli/main.js"), ...args]);
const ours = (files: readonly string[]) => convnets("classify", ...files, "--weights", network, "--jsonl");
const theirs = (files: readonly string[]) =>
  run(process.env.PYTHON_ORT ?? "python3", [here("./peers/classify.py"), network, ...files]);

/** One of ours, one of theirs, and so on; `speed` is more where it is better. */
function compare(unit: string, pair: () => readonly [ours: number, theirs: number], speed = (x: number) => x): void {
  const pairs = Array.from({ length: Number(values.pairs) }, pair);
  const ratios = pairs.map(([a, b]) => speed(a) / speed(b));
  console.log(
    `${median(pairs.map(([a]) => a)).toFixed(2)} ${unit}, Pillow and ONNX Runtime ${median(pairs.map(([, b]) => b)).toFixed(2)}: ` +
      `${median(ratios).toFixed(2)}× [${Math.min(...ratios).toFixed(2)} … ${Math.max(...ratios).toFixed(2)}]`,
  );
}

try {
  convnets("export", "googlenet", "--variant", "torchvision", "-o", network);
  const { images } = await imagesBelow(folder);
  const files = Array.from({ length: Number(values.images) }, (_, i) => images[i % images.length]!);

  const rateOfOurs = () => Number(/, ([\d.]+) images\/s/.exec(ours(files).text)?.[1]);
  const rateOfTheirs = () => Number(theirs(files).text.trim().split("\n").at(-1)!.split(" ")[0]);
  compare("images/s", () => [rateOfOurs(), rateOfTheirs()]);
  const one = files.slice(0, 1);
  compare(
    "s for an image from cold",
    () => [ours(one).seconds, theirs(one).seconds],
    (seconds) => 1 / seconds,
  );
} finally {
  rmSync(scratch, { recursive: true });
}
