import { availableParallelism } from "node:os";
import { buffer } from "node:stream/consumers";
import { Command, Option } from "commander";
import type { Prediction } from "../classify/index.ts";
import { classifier, type Source } from "../classify/node/index.ts";
import {
  type Corrupt,
  DataError,
  decodeFile,
  decodeImage,
  fileDataset,
  type Loader,
  rgbToGrayscale,
  workerLoader,
} from "../data/node/index.ts";
import { MODELS, VARIANTS, type Variant } from "../models/index.ts";
import { nodeEngine } from "../runtime/node/index.ts";
import { isImported } from "../tfjs/node/index.ts";
import { classNames } from "./class-names.ts";
import { percent } from "./format.ts";
import { FEW, imageFiles } from "./image-files.ts";
import { isPublished, type WeightFlags, withWeightFlags } from "./model.ts";
import { openNetwork } from "./network.ts";
import { addPreprocessing, type PreprocessingFlags, withSizes, withTold } from "./preprocessing.ts";
import { parseCount, parsePositive, print, red, note as toStderr, UsageError } from "./support.ts";

interface Flags extends PreprocessingFlags, WeightFlags {
  model?: string;
  weights?: string;
  variant?: Variant;
  classes?: string;
  topk: number;
  batchSize: number;
  workers?: number;
  threads?: number;
  json?: boolean;
  jsonl?: boolean;
  csv?: boolean;
  quiet?: boolean;
}

/** An image with its predictions, or with what is wrong with it. */
interface Result {
  readonly file: string;
  readonly predictions?: readonly Prediction[];
  readonly error?: string;
}

/** Writes results as they come. */
interface Writer {
  write(result: Result): void;
  end?(): void;
}

const BAR = 24;
const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** A bar of up to 24 characters, to an eighth of one. */
function bar(share: number): string {
  const eighths = Math.round(share * BAR * 8);
  return ("█".repeat(eighths >> 3) + EIGHTHS[eighths & 7]).padEnd(BAR);
}

function textWriter(): Writer {
  let first = true;
  return {
    write({ file, predictions, error }) {
      if (error !== undefined || !predictions) return;
      if (!first) print("");
      first = false;
      print(file);
      const width = Math.max(...predictions.map(({ name }) => [...name].length));
      for (const { name, probability } of predictions) {
        const space = " ".repeat(width - [...name].length);
        print(`  ${name}${space}  ${bar(probability)}  ${percent(probability).padStart(7)}`);
      }
    },
  };
}

function jsonWriter(): Writer {
  const results: Result[] = [];
  return {
    write: (result) => void results.push(result),
    end: () => print(JSON.stringify(results, null, 2)),
  };
}

const cell = (value: string | number) =>
  /[",\r\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value);

function csvWriter(): Writer {
  print("file,rank,label,name,probability");
  return {
    write({ file, predictions = [] }) {
      for (const [i, { label, name, probability }] of predictions.entries())
        print([file, i + 1, label, name, probability].map(cell).join(","));
    },
  };
}

function writerOf({ json, jsonl, csv }: Flags): Writer {
  if (json) return jsonWriter();
  if (jsonl) return { write: (result) => print(JSON.stringify(result)) };
  return csv ? csvWriter() : textWriter();
}

/** Results in the order of the files, including those that cannot be read. */
async function* inBatches(
  files: readonly string[],
  loader: Loader,
  classify: (images: Parameters<Classify["batch"]>[0]) => Promise<Prediction[][]>,
): AsyncGenerator<Result> {
  let next = 0;
  const broken = () => new Map(loader.skipped.map(({ file, reason }: Corrupt) => [file, reason]));
  const upTo = function* (end: number): Generator<Result> {
    for (const errors = broken(); next < end; next++)
      yield { file: files[next]!, error: errors.get(files[next]!) ?? "it could not be read" };
  };
  try {
    for await (const { images, samples } of loader.epoch(0)) {
      const all = await classify(images);
      for (const [i, predictions] of all.entries()) {
        yield* upTo(samples[i]!);
        yield { file: files[next++]!, predictions };
      }
    }
  } catch (error) {
    // thrown if none of the images can be read
    if (!(error instanceof DataError && loader.skipped.length === files.length)) throw error;
  }
  yield* upTo(files.length);
}

type Classify = Awaited<ReturnType<typeof classifier>>;

async function* fromInput(classify: (bytes: Uint8Array) => Promise<Prediction[]>): AsyncGenerator<Result> {
  if (process.stdin.isTTY) throw new UsageError('"-" reads an image from standard input; pipe one into it');
  try {
    yield { file: "-", predictions: await classify(await buffer(process.stdin)) };
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    yield { file: "-", error: error.reason };
  }
}

/** The network that the flags mean: by default the GoogLeNet that torchvision publishes. */
async function openAsked({ model, weights, variant, classes: file, key, rename }: Flags): Promise<Source> {
  const classes = file === undefined ? undefined : await classNames(file);
  if (weights !== undefined && !isPublished(weights) && !(model !== undefined && isImported(model)))
    return openNetwork(weights, { model, variant, classes, key, rename });
  const network = model ?? "googlenet";
  const published = Object.hasOwn(MODELS, network) ? "torchvision" : undefined;
  return openNetwork(network, { weights: weights ?? published, variant, classes, key, rename });
}

export const command = withWeightFlags(new Command("classify"))
  .description("Classify images. An image that cannot be read is reported, and the others are still classified.")
  .argument("<images...>", 'image files, folders (all images below), or "-" for an image from standard input')
  .option(
    "--weights <file>",
    "a run's folder, weights written by train, an .onnx file, a model of TensorFlow.js (model.json) or Keras (.keras, .h5), .pth or .safetensors with --model, or torchvision (the default)",
  )
  .option(
    "--model <name>",
    "the network of the weights, if the file does not record it: a name or net.js[#Export] (default: googlenet)",
  )
  .addOption(new Option("--variant <name>", "variant of the network").choices(VARIANTS))
  .option("--classes <file>", "names of the classes, if the weights do not record them: one per line, or JSON")
  .option("--topk <k>", "how many classes to show", parsePositive, 5)
  .option("--batch-size <n>", "images per batch", parsePositive, 16)
  .option("--workers <n>", "threads that decode images (default: half of the cores; none for a few images)", parseCount)
  .option("--threads <n>", "threads that compute", parsePositive)
  .addOption(new Option("--json", "a JSON list").conflicts(["jsonl", "csv"]))
  .addOption(new Option("--jsonl", "a line of JSON per image, as they come").conflicts("csv"))
  .option("--csv", "a line per class of each image")
  .option("-q, --quiet", "print results and errors only")
  .addHelpText(
    "after",
    `
Examples:
  convnets classify cat.jpg
  convnets classify photo.jpg --weights run/20260101-120000-vgg_small-cifar10
  convnets classify photo.jpg --model net.js --weights weights.safetensors
  convnets classify photos/ --weights resnet18.onnx --classes imagenet_class_index.json
  convnets classify *.jpg --model vgg16 --weights vgg16-397923af.pth --topk 1 --csv > found.csv
  curl -L https://example.org/cat.jpg | convnets classify - --weights best.safetensors`,
  )
  .action(async (names: string[], flags: Flags) => {
    const { topk, batchSize, threads, quiet } = flags;
    const piped = names.includes("-");
    if (piped && names.length > 1) throw new UsageError('"-" stands for one image, and cannot be combined with others');
    const files = piped ? [] : await imageFiles(names);
    const note = (text: string) => {
      if (!quiet) toStderr(text);
    };
    const isFew = files.length <= FEW;
    const { workers = isFew ? 0 : Math.max(1, availableParallelism() >> 1) } = flags;
    // while the network is opened
    const decoded = isFew && workers === 0 ? files.map((file) => decodeFile(file)) : undefined;
    for (const image of decoded ?? []) image.catch(() => {}); // reported when it is needed
    const opened = withTold(await openAsked(flags), flags);
    for (const sentence of opened.assumed) note(sentence);
    // with workers, the cores have images to decode while the engine's threads would wait for each other
    const engine = nodeEngine({ ...(threads !== undefined && { threads }), spin: workers === 0 });
    const classify = await classifier(opened.model, {
      weights: opened.weights,
      classes: opened.classes,
      preprocessing: opened.preprocessing,
      ...(opened.task && { task: opened.task }),
      engine,
      topk,
    });
    const { channels } = opened;
    const labels = new Int32Array(files.length);
    const stored = fileDataset({ name: "images", classes: ["unknown"], files, labels, decode: { channels } });
    const get = async (index: number) => {
      const image = await decoded![index]!;
      return { image: channels === 1 ? rgbToGrayscale(image) : image, label: 0 };
    };
    const dataset = decoded ? { ...stored, get } : stored;
    const loading = { batchSize, workers, transforms: opened.preprocessing, skipCorrupt: true };
    const loader = piped ? undefined : workerLoader(dataset, loading);

    const writer = writerOf(flags);
    const started = performance.now();
    let [count, failed] = [0, 0];
    try {
      const fromBytes = async (bytes: Uint8Array) => classify(await decodeImage(bytes, { channels: opened.channels }));
      for await (const result of loader ? inBatches(files, loader, classify.batch) : fromInput(fromBytes)) {
        writer.write(result);
        if (result.error === undefined) count++;
        else {
          failed++;
          process.stderr.write(`${red(`error: ${result.file}: ${result.error}`)}\n`);
        }
      }
      writer.end?.();
    } catch (error) {
      throw withSizes(error, opened);
    } finally {
      await classify.dispose();
      await loader?.close();
    }
    const seconds = (performance.now() - started) / 1000;
    const what = `${count} image${count === 1 ? "" : "s"}${failed > 0 ? `, ${failed} could not be read` : ""}`;
    note(`${what}: ${seconds.toFixed(1)} s${count > 1 ? `, ${(count / seconds).toFixed(1)} images/s` : ""}`);
    if (failed > 0) process.exitCode = 1;
  });

addPreprocessing(command);
