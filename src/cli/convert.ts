import { existsSync, statSync } from "node:fs";
import { dirname, extname } from "node:path";
import { Command, Option } from "commander";
import {
  type Checkpoint,
  type RealType,
  readCheckpoint,
  readNotes,
  toReal,
  writeCheckpoint,
} from "../checkpoint/node/index.ts";
import { openSource } from "../classify/node/index.ts";
import { MODELS, recognize, VARIANTS } from "../models/index.ts";
import { readConfig } from "../runs/node/index.ts";
import { isImported, readImported } from "../tfjs/node/index.ts";
import { checkFree, type ExportFlags, exportNetwork } from "./export.ts";
import { grouped, megabytes } from "./format.ts";
import { MODEL_HELP, type ModelFlags, type WeightFlags, weightFileOf, withWeightFlags } from "./model.ts";
import { addPreprocessing, type PreprocessingFlags, recordedAsTold, TOLD, toldBy } from "./preprocessing.ts";
import { networkOf } from "./recognized.ts";
import { note, parseInput, parsePositive, print, UsageError } from "./support.ts";

interface Flags extends ModelFlags, PreprocessingFlags, WeightFlags {
  model?: string;
  integers?: boolean;
  dtype?: RealType;
  force?: boolean;
}

const TARGETS = [".safetensors", ".pth", ".pt", ".onnx"];
const kindOf = (path: string) => extname(path).toLowerCase();

/** Throws a UsageError for what makes no sense. */
function check(from: string, to: string, { dtype, force, key, rename, integers, ...others }: Flags): void {
  const flags = Object.keys(others).filter((name) => !(TOLD as readonly string[]).includes(name));
  if (!TARGETS.includes(kindOf(to))) throw new UsageError(`${to} has to end in ${TARGETS.join(", ")}`);
  if (!existsSync(dirname(to))) throw new UsageError(`there is no folder ${dirname(to)}`);
  checkFree(to, force);
  const [isNetwork, toOnnx] = [isImported(from), kindOf(to) === ".onnx"];
  if (kindOf(from) === ".onnx" && toOnnx) throw new UsageError(`${from} is already an .onnx file`);
  if (isNetwork && (key !== undefined || rename !== undefined || integers))
    throw new UsageError("--key, --rename and --integers are for weight files");
  if (toOnnx && dtype !== undefined && dtype !== "float32")
    throw new UsageError(`--dtype ${dtype}: networks compute in float32, and .onnx files are written in it`);
  if (!toOnnx && flags.length > 0)
    throw new UsageError("--model, --variant, --num-classes and --input are for writing .onnx files");
}

/** All tensors and the metadata; of an .onnx file, the weights by their names in it. */
async function read(from: string, { key, rename, dtype, integers }: Flags): Promise<Checkpoint> {
  const { tensors, metadata } = isImported(from)
    ? await readImported(from).then(({ weights, metadata }) => ({ tensors: weights, metadata }))
    : await readCheckpoint(from, {
        convert: "none",
        key,
        rename,
        fits: (entries) => recognize(entries).length,
        quantized: integers ? "integers" : "float32",
      }).then((read) => {
        for (const line of readNotes(from, read)) note(line);
        return read;
      });
  if (dtype === undefined) return { tensors, metadata: { ...metadata } };
  // tied weights stay tied
  const converted = new Map([...new Set(tensors.values())].map((tensor) => [tensor, toReal(tensor, dtype)]));
  return {
    tensors: new Map([...tensors].map(([name, tensor]) => [name, converted.get(tensor)!])),
    metadata: { ...metadata },
  };
}

/** A network of TensorFlow.js as an .onnx file. */
async function exportImported(
  from: string,
  to: string,
  { model, variant, numClasses, input, ...told }: Flags,
): Promise<void> {
  if (model !== undefined || variant !== undefined)
    throw new UsageError(`${from} is a network itself; leave out --model and --variant`);
  const asked = { ...(numClasses !== undefined && { numClasses }), ...(input && { input }) };
  await exportNetwork(from, { output: to, force: true, ...asked, ...told });
}

/** The checkpoint with the preprocessing that was told in its metadata. */
async function withPreprocessing(from: string, checkpoint: Checkpoint, flags: Flags): Promise<Checkpoint> {
  if (!toldBy(flags)) return checkpoint;
  const { tensors, metadata } = checkpoint;
  const images = isImported(from) ? await imagesOf(from) : undefined;
  const [fit] = recognize(tensors);
  // the first convolution knows the channels
  const [first] = [...tensors.values()].filter(({ shape }) => shape.length === 4);
  const channels = images?.channels ?? Number(metadata.inChannels ?? fit?.inChannels ?? first?.shape[1] ?? 3);
  const side = images?.side ?? Number(metadata.inputSize ?? (fit ? (MODELS[fit.model].inputSize ?? 0) : 0));
  const preprocessing = recordedAsTold(metadata.preprocessing, flags, { channels, side });
  return { tensors, metadata: { ...metadata, ...(preprocessing !== undefined && { preprocessing }) } };
}

/** Channels and side of the images that a network in a file takes. */
async function imagesOf(from: string): Promise<{ channels: number; side: number }> {
  const { channels, model } = await openSource(from);
  return { channels, side: model.spec?.inputSize ?? 0 };
}

export const command = withWeightFlags(new Command("convert"))
  .description(
    "Convert weights between PyTorch's files, safetensors and ONNX, and networks from TensorFlow.js and Keras.",
  )
  .argument(
    "<from>",
    "weights (.safetensors, .pth, .pt), a run's folder, an .onnx file, whose weights keep their names, or a model of TensorFlow.js (model.json) or Keras (.keras, .h5)",
  )
  .argument("<to>", "the file to write: .safetensors, .pth or .pt, or .onnx for the network with its weights")
  .addOption(new Option("--dtype <type>", "type of the real numbers").choices(["float32", "float16", "bfloat16"]))
  .option("--integers", "quantized weights as integers with their scales; otherwise as float32")
  .option("--model <model>", `to .onnx: ${MODEL_HELP} (default: what the file records or fits)`)
  .addOption(new Option("--variant <name>", "to .onnx: variant of the network").choices(VARIANTS))
  .option("--num-classes <K>", "to .onnx: classes of the last layer", parsePositive)
  .option("--input <N,C,H,W>", "to .onnx: shape of the input (default: the published size)", parseInput)
  .option("--force", "overwrite an existing file")
  .addHelpText(
    "after",
    `
Without --dtype, tensors and metadata are copied bit for bit. "convnets export" has more options for
.onnx files.

Examples:
  convnets convert vgg16-397923af.pth vgg16.safetensors
  convnets convert best.safetensors best.pth --dtype float16
  convnets convert run/20260101-120000-nin-cifar10 nin.pth
  convnets convert best.safetensors best.onnx
  convnets convert googlenet-1378be20.pth googlenet.onnx --model googlenet --variant torchvision
  convnets convert model.onnx weights.safetensors
  convnets convert tfjs/model.json model.onnx`,
  )
  .action(async (source: string, to: string, flags: Flags) => {
    if (!existsSync(source)) throw new UsageError(`there is no file ${source}`);
    const from = isImported(source) ? source : await weightFileOf(source);
    check(from, to, flags);
    if (isImported(from) && kindOf(to) === ".onnx") return exportImported(from, to, flags);
    const checkpoint = await read(from, flags);
    if (kindOf(to) === ".onnx") {
      const model = flags.model ?? (from === source ? undefined : (await readConfig(source)).model);
      const { name, ...network } = networkOf(from, checkpoint, { ...flags, model }, "pass the network with --model");
      const tensors = new Map([...checkpoint.tensors].map(([key, value]) => [key, toReal(value, "float32")]));
      const { variant } = network;
      const metadata = { ...checkpoint.metadata, architecture: name, ...(variant && { variant }) };
      const exported: ExportFlags = { ...toldBy(flags), output: to, force: true, ...network };
      return exportNetwork(name, exported, { tensors, metadata });
    }
    await writeCheckpoint(to, await withPreprocessing(from, checkpoint, flags));
    const { size } = statSync(to);
    print(`${to}  ${megabytes(size)}, ${grouped(checkpoint.tensors.size)} tensors`);
  });

addPreprocessing(command);
