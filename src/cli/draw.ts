import { existsSync } from "node:fs";
import { dirname, extname } from "node:path";
import { Command, Option } from "commander";
import { writeAtomically } from "../checkpoint/node/index.ts";
import { draw, type Level, type Theme } from "../draw/index.ts";
import { VARIANTS } from "../models/index.ts";
import { loadToShow, MODEL_HELP, type ModelFlags, oneInput } from "./model.ts";
import { parsePositive, parseShape, print, UsageError } from "./support.ts";

const LEVELS = ["block", "layer"] as const satisfies readonly Level[];
const THEMES = ["light", "dark", "auto"] as const satisfies readonly Theme[];

interface Flags extends ModelFlags {
  output?: string;
  level: Level;
  theme: Theme;
  title?: string;
  scale?: number;
  training?: boolean;
}

function parseScale(text: string): number {
  const scale = Number(text);
  if (scale > 0 && Number.isFinite(scale)) return scale;
  throw new UsageError(`--scale has to be a positive number, but is "${text}"`);
}

/** Which kind of file a name asks for. */
function formatOf(output: string | undefined): "svg" | "png" {
  const ending = extname(output ?? "").toLowerCase();
  if (ending === ".png") return "png";
  if (ending === ".svg" || ending === "") return "svg";
  throw new UsageError(`draw writes .svg and .png files, not ${ending}; write an .svg file and convert it`);
}

export const command = new Command("draw")
  .description("Draw a network's architecture as an SVG or PNG image.")
  .argument("<model>", MODEL_HELP)
  .option("-o, --output <file>", "an .svg or .png file to write (default: SVG to standard output)")
  .addOption(new Option("--level <level>", "a box for each block, or for each layer").choices(LEVELS).default("layer"))
  .addOption(new Option("--variant <name>", "which version of the network").choices(VARIANTS))
  .option("--no-aux", "leave out the auxiliary classifiers of GoogLeNet and Inception V3")
  .option("--input <N,C,H,W>", "shape of the input (default: one image of the published size)", parseShape)
  .option("--num-classes <K>", "number of classes", parsePositive)
  .addOption(
    new Option("--theme <theme>", "colors; auto follows the reader's setting, and is light in a PNG")
      .choices(THEMES)
      .default("auto"),
  )
  .option("--scale <factor>", "PNG: pixels of the image for each pixel of the drawing (default: 2)", parseScale)
  .option("--title <text>", "headline (default: the network's name)")
  .option("--training", "the training form (torchvision's networks have auxiliary outputs only there)")
  .addHelpText(
    "after",
    `
Examples:
  convnets draw vgg16 -o vgg16.svg
  convnets draw googlenet --level block --theme dark -o googlenet.png
  convnets draw ./my-network.js --input 1,3,64,64 > my-network.svg`,
  )
  .action(async (name: string, { output, level, theme, title, scale, training, ...flags }: Flags) => {
    const format = formatOf(output);
    if (scale !== undefined && format !== "png")
      throw new UsageError("--scale is for PNG: write to a .png file with -o");
    const folder = dirname(output ?? ".");
    if (!existsSync(folder))
      throw new UsageError(`the folder ${folder} does not exist; create it before writing ${output}`);
    const { model, input } = await loadToShow(name, flags);
    const svg = draw(model, {
      input: oneInput(input, name),
      level,
      theme,
      ...(title !== undefined && { title }),
      ...(training && { training }),
    });
    if (output === undefined) return print(svg.trimEnd());
    if (format === "svg") return writeAtomically(output, svg);
    const { renderPng } = await import("../draw/node/index.ts");
    await writeAtomically(output, [await renderPng(svg, scale === undefined ? {} : { scale })]);
  });
