import { existsSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import { Command, Option } from "commander";
import { writeAtomically } from "../checkpoint/node/index.ts";
import { imagenetPreprocessing } from "../classify/index.ts";
import type { Source } from "../classify/node/index.ts";
import { applyTransforms, compileTransforms, decodeFile } from "../data/node/index.ts";
import { formatShape, type TensorData, tensor } from "../graph/index.ts";
import { type Inside, lookInside } from "../infer/index.ts";
import { createModel, MODELS, VARIANTS, type Variant } from "../models/index.ts";
import { nodeEngine } from "../runtime/node/index.ts";
import { percent } from "./format.ts";
import { mapsImage, overlayImage, type Raster, respondImage, toPng } from "./look-images.ts";
import { type WeightFlags, withWeightFlags } from "./model.ts";
import { checkThere, NETWORK_HELP, openNetwork } from "./network.ts";
import { addPreprocessing, type PreprocessingFlags, withTold } from "./preprocessing.ts";
import { note, parseCount, parsePositive, print, printJson, UsageError } from "./support.ts";

interface Flags extends PreprocessingFlags, WeightFlags {
  layer?: string;
  gradCam?: boolean;
  saliency?: boolean;
  occlusion?: boolean;
  channel?: number;
  layers?: boolean;
  class?: number;
  output?: string;
  weights?: string;
  model?: string;
  variant?: Variant;
  randomWeights?: boolean;
  threads?: number;
  json?: boolean;
}

/** What is written to the image. */
type View = "maps" | "grad-cam" | "saliency" | "occlusion" | "response";

function viewOf({ layer, gradCam, saliency, occlusion, channel }: Flags): View {
  const asked = (
    [
      [gradCam, "grad-cam"],
      [saliency, "saliency"],
      [occlusion, "occlusion"],
      [channel !== undefined, "response"],
    ] as const
  ).flatMap(([is, view]) => (is ? [view] : []));
  if (asked.length > 1)
    throw new UsageError("an image shows one thing: --grad-cam, --saliency, --occlusion or --channel, not several");
  const view = asked[0] ?? "maps";
  if ((view === "maps" || view === "response") && layer === undefined)
    throw new UsageError(
      `--layer says which layer to look at; --layers lists them${view === "maps" ? "; --grad-cam, --saliency and --occlusion need none" : ""}`,
    );
  if ((view === "saliency" || view === "occlusion") && layer !== undefined)
    throw new UsageError(`--${view} is about the whole network; leave out --layer`);
  return view;
}

/** The network with its weights, or a registered one with initial weights. */
async function open(target: string, { weights, model, variant, randomWeights, key, rename }: Flags): Promise<Source> {
  if (!randomWeights) return openNetwork(target, { weights, model, variant, key, rename });
  if (!Object.hasOwn(MODELS, target)) throw new UsageError("--random-weights is for the name of a network");
  if (weights !== undefined) throw new UsageError("--random-weights cannot be combined with --weights");
  const made = createModel(target, variant ? { variant } : {}).initialize(0);
  const { inputSize = 224, inChannels = 3 } = made.spec ?? {};
  return {
    ...{ model: made, weights: made.stateDict(), classes: [], channels: inChannels === 1 ? 1 : 3 },
    preprocessing: imagenetPreprocessing(inputSize),
    assumed: [`${target} has initial weights, random: its scores mean nothing yet.`],
  };
}

function checkOutput(output: string): void {
  if (extname(output).toLowerCase() !== ".png")
    throw new UsageError(`look writes .png files, not ${output}; choose a name such as maps.png`);
  const folder = dirname(output);
  if (!existsSync(folder))
    throw new UsageError(`the folder ${folder} does not exist; create it before writing ${join(output)}`);
}

/** The image and what --json says of it. */
async function look(
  inside: Inside,
  input: TensorData<"float32">,
  {
    view,
    layer,
    channel,
    classIndex,
    task,
  }: { view: View; layer?: string; channel?: number; classIndex?: number; task?: Source["task"] },
): Promise<{ raster: Raster; facts: Record<string, unknown> }> {
  const about = classIndex === undefined ? {} : { classIndex };
  if (view === "maps") {
    const { activations } = await inside.see(input, [layer!]);
    const found = activations[layer!]!;
    return { raster: mapsImage(found), facts: { layer, shape: found.shape.slice(1) } };
  }
  if (view === "response") {
    const image = await inside.respond({ layer: layer!, channel: channel!, shape: input.shape });
    return { raster: respondImage(image), facts: { layer, channel } };
  }
  const { scores, probabilities } = await inside.see(input);
  if (!scores || !probabilities)
    throw new UsageError(`--${view} is about the score of a class, but the network's output is not [N, classes]`);
  const all = Array.from(scores.data);
  const label = classIndex ?? all.indexOf(all.reduce((a, b) => Math.max(a, b)));
  if (label >= all.length)
    throw new UsageError(`--class ${label}: the network has ${all.length} classes, 0 to ${all.length - 1}`);
  // a label has a probability of its own
  const probability = task === "labels" ? 1 / (1 + Math.exp(-all[label]!)) : probabilities.data[label];
  const facts = { class: label, score: all[label], probability };
  if (view === "grad-cam") {
    const { map, layer: at } = await inside.gradCam(input, { ...about, ...(layer !== undefined && { layer }) });
    return { raster: overlayImage(input, map), facts: { layer: at, ...facts } };
  }
  if (view === "occlusion") return { raster: overlayImage(input, await inside.occlusion(input, about)), facts };
  const gradient = await inside.inputGradient(input, about);
  const [, C = 1, H = 1, W = 1] = gradient.shape;
  const map = new Float32Array(H * W);
  for (let i = 0; i < C * H * W; i++) map[i % (H * W)] = Math.max(map[i % (H * W)]!, Math.abs(gradient.data[i]!));
  return { raster: overlayImage(input, tensor("float32", [1, H, W], map), { isFine: true }), facts };
}

export const command = withWeightFlags(new Command("look"))
  .description("Look inside a network: write what it makes of an image as a PNG image.")
  .argument("<network>", `${NETWORK_HELP}; the name of a network with --random-weights`)
  .argument("[image]", "an image file")
  .option("--layer <name>", "write the feature maps of this layer, block or operator")
  .option(
    "--grad-cam",
    "what speaks for the class in the maps of --layer (default: the last one with maps), over the image",
  )
  .option("--saliency", "how strongly the score of the class changes with each pixel, over the image")
  .option("--occlusion", "how far the score drops when a part of the image is covered, over the image")
  .option("--channel <n>", "with --layer: an image that this channel responds to, by gradient ascent", parseCount)
  .option("--class <n>", "the class that a score is of (default: the likeliest)", parseCount)
  .option("--layers", "list the layers instead, with the shapes of their outputs")
  .option("-o, --output <file.png>", "the image to write (default: look.png)")
  .option("--weights <file>", "weights of the network: a weight file, a run's folder, or torchvision")
  .option("--model <name>", "the network that the weights belong to, if the file does not record it")
  .addOption(new Option("--variant <name>", "variant of the network").choices(VARIANTS))
  .option("--random-weights", "initial weights, for the name of a network")
  .option("--threads <n>", "threads that compute", parsePositive)
  .option("--json", "print what was written as JSON")
  .addHelpText(
    "after",
    `
Feature maps are violet at 0 and yellow at their largest number; if there are negative ones, blue is below 0 and orange above.

Examples:
  convnets look googlenet --weights torchvision cat.jpg --layer inception3a -o maps.png
  convnets look resnet18.onnx cat.jpg --grad-cam -o cam.png
  convnets look run/20260101-120000-vgg_small-cifar10 photo.jpg --saliency --class 3 -o saliency.png
  convnets look resnet18.onnx cat.jpg --layers
  convnets look best.safetensors cat.jpg --layer features.3 --channel 7 -o channel.png`,
  )
  .action(async (target: string, file: string | undefined, flags: Flags) => {
    const { layers, layer, channel, output = "look.png", threads, json } = flags;
    checkThere(target, flags.weights);
    const view = layers ? "maps" : viewOf(flags);
    if (!layers) checkOutput(output);
    if (file === undefined && !layers && view !== "response")
      throw new UsageError("name an image to look at, such as: convnets look network.onnx photo.jpg --grad-cam");
    const { model, weights, preprocessing, channels, assumed, task } = withTold(await open(target, flags), flags);
    for (const sentence of assumed) if (!/names of its classes/.test(sentence)) note(sentence);
    const inside = lookInside(model, { engine: nodeEngine(threads === undefined ? {} : { threads }), weights });
    const { inputSize: side = 224 } = model.spec ?? {};
    const image =
      file === undefined
        ? tensor("float32", [channels, side, side], new Float32Array(channels * side * side))
        : applyTransforms(compileTransforms(preprocessing), await decodeFile(file, { channels }));
    const input = tensor("float32", [1, ...image.shape], image.data);
    if (layers) {
      const names = inside.layers(input.shape);
      const { activations } = await inside.see(input, names);
      const shapes = names.map((name) => ({ layer: name, shape: activations[name]!.shape.slice(1) }));
      if (json) printJson(shapes);
      else for (const one of shapes) print(`${one.layer}  ${formatShape(one.shape)}`);
      return inside.dispose();
    }
    const { raster, facts } = await look(inside, input, {
      view,
      ...(task && { task }),
      ...(layer !== undefined && { layer }),
      ...(channel !== undefined && { channel }),
      ...(flags.class !== undefined && { classIndex: flags.class }),
    });
    await inside.dispose();
    await writeAtomically(output, [await toPng(raster)]);
    const written = { file: output, view, width: raster.width, height: raster.height, ...facts };
    if (json) return printJson(written);
    const { class: label, probability } = written as { class?: number; probability?: number };
    const of = label === undefined ? "" : `, class ${label} (${percent(probability!)})`;
    const at = "layer" in facts ? ` of ${facts.layer}` : "";
    print(`Wrote ${output}: ${view}${at}${of}, ${raster.width}×${raster.height} pixels.`);
  });

addPreprocessing(command);
