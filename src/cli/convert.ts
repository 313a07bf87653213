import { existsSync, statSync } from "node:fs";
import { dirname, extname } from "node:path";
import { Command, Option } from "commander";
import { type Checkpoint, type RealType, readCheckpoint, toReal, writeCheckpoint } from "../checkpoint/node/index.ts";
import { MODELS, type Recognized, recognize, VARIANTS } from "../models/index.ts";
import { readOnnx } from "../onnx/node/index.ts";
import { checkFree, type ExportFlags, exportNetwork } from "./export.ts";
import { grouped, megabytes } from "./format.ts";
import { MODEL_HELP, type ModelFlags } from "./model.ts";
import { parsePositive, parseShape, print, UsageError } from "./support.ts";

interface Flags extends ModelFlags {
  model?: string;
  key?: string;
  dtype?: RealType;
  force?: boolean;
}

const TARGETS = [".safetensors", ".pth", ".pt", ".onnx"];
const kindOf = (path: string) => extname(path).toLowerCase();

/** Throws for what cannot be meant. */
function check(from: string, to: string, { dtype, force, key, ...flags }: Flags): void {
  if (!existsSync(from)) throw new UsageError(`there is no file ${from}`);
  if (!statSync(from).isFile()) throw new UsageError(`${from} is no file`);
  if (!TARGETS.includes(kindOf(to))) throw new UsageError(`${to} has to end in ${TARGETS.join(", ")}`);
  if (!existsSync(dirname(to))) throw new UsageError(`there is no folder ${dirname(to)} to write into`);
  checkFree(to, force);
  const [fromOnnx, toOnnx] = [kindOf(from) === ".onnx", kindOf(to) === ".onnx"];
  if (fromOnnx && toOnnx) throw new UsageError(`${from} is an .onnx file already`);
  if (fromOnnx && key !== undefined) throw new UsageError("--key is for PyTorch files");
  if (toOnnx && dtype !== undefined && dtype !== "float32")
    throw new UsageError(`--dtype ${dtype}: networks compute in float32, and .onnx files are written in it`);
  if (!toOnnx && Object.keys(flags).length > 0)
    throw new UsageError("--model and what goes with it are for writing .onnx files");
}

/** Every tensor and the metadata; of an .onnx file the weights by their names in it. */
async function read(from: string, { key, dtype }: Flags): Promise<Checkpoint> {
  const { tensors, metadata } =
    kindOf(from) === ".onnx"
      ? await readOnnx(from, { fold: false }).then(({ weights, metadata }) => ({ tensors: weights, metadata }))
      : await readCheckpoint(from, { convert: "none", ...(key !== undefined && { key }) });
  if (dtype === undefined) return { tensors, metadata: { ...metadata } };
  // tied weights stay tied
  const converted = new Map([...new Set(tensors.values())].map((tensor) => [tensor, toReal(tensor, dtype)]));
  return {
    tensors: new Map([...tensors].map(([name, tensor]) => [name, converted.get(tensor)!])),
    metadata: { ...metadata },
  };
}

/** The network that weights are of: as asked for, as their metadata say, or the one that they fit. */
function networkOf(from: string, { tensors, metadata }: Checkpoint, flags: Flags): { name: string } & ModelFlags {
  const { model, variant, numClasses, input } = flags;
  const name = model ?? metadata.architecture;
  const known = variant ?? (name === metadata.architecture ? metadata.variant : undefined);
  const fits = recognize(tensors).filter(
    (fit) => (name ?? fit.model) === fit.model && (known ?? fit.variant) === fit.variant,
  );
  const fit = fits.find(({ variant }) => variant === "torchvision") ?? fits[0];
  if (name === undefined && !fit)
    throw new UsageError(`${from} does not say which network it is of, and fits none; name it with --model`);
  if (name === undefined) print(`These are weights of ${fit!.model}, variant ${fit!.variant}.`);
  return {
    name: name ?? fit!.model,
    ...(fit && { variant: fit.variant, numClasses: fit.numClasses }),
    ...(fit && fit.inChannels !== 3 && { input: imagesOf(fit, metadata) }),
    ...(variant && { variant }),
    ...(numClasses !== undefined && { numClasses }),
    ...(input && { input }),
  };
}

/** Shape of one image, of the size that the metadata tell, else that the network was published for. */
function imagesOf({ model, inChannels }: Recognized, { inputSize }: Checkpoint["metadata"]): number[] {
  const side = Number(inputSize) || MODELS[model].inputSize;
  return [1, inChannels, side, side];
}

export const command = new Command("convert")
  .description("Convert weights between PyTorch's files, safetensors and ONNX.")
  .argument("<from>", "weights (.safetensors, .pth, .pt), or an .onnx file, whose weights are taken by their names")
  .argument("<to>", "file to write: .safetensors, .pth or .pt, or .onnx for the network with the weights in it")
  .addOption(new Option("--dtype <type>", "type of real numbers").choices(["float32", "float16", "bfloat16"]))
  .option("--key <part>", "the part of a PyTorch file to take, such as state_dict_ema")
  .option("--model <model>", `to .onnx: ${MODEL_HELP} (default: what the file says or fits)`)
  .addOption(new Option("--variant <name>", "to .onnx: which version of the network").choices(VARIANTS))
  .option("--num-classes <K>", "to .onnx: classes of the last layer", parsePositive)
  .option("--input <N,C,H,W>", "to .onnx: shape of the input (default: the published size)", parseShape)
  .option("--force", "overwrite a file that is there")
  .addHelpText(
    "after",
    `
Without --dtype every tensor stays as it is, bit for bit, and so do the metadata. "convnets export" has more
settings for .onnx files.

Examples:
  convnets convert vgg16-397923af.pth vgg16.safetensors
  convnets convert best.safetensors best.pth --dtype float16
  convnets convert best.safetensors best.onnx
  convnets convert googlenet-1378be20.pth googlenet.onnx --model googlenet --variant torchvision
  convnets convert model.onnx weights.safetensors`,
  )
  .action(async (from: string, to: string, flags: Flags) => {
    check(from, to, flags);
    const checkpoint = await read(from, flags);
    if (kindOf(to) === ".onnx") {
      const { name, ...network } = networkOf(from, checkpoint, flags);
      const tensors = new Map([...checkpoint.tensors].map(([key, value]) => [key, toReal(value, "float32")]));
      const { variant } = network;
      const metadata = { ...checkpoint.metadata, architecture: name, ...(variant && { variant }) };
      const exported: ExportFlags = { output: to, force: true, ...network };
      return exportNetwork(name, exported, { tensors, metadata });
    }
    await writeCheckpoint(to, checkpoint);
    const { size } = statSync(to);
    print(`${to}  ${megabytes(size)}, ${grouped(checkpoint.tensors.size)} tensors`);
  });
