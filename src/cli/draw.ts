import { existsSync } from "node:fs";
import { dirname, extname } from "node:path";
import { Command, Option } from "commander";
import { writeAtomically } from "../checkpoint/node/index.ts";
import {
  type Direction,
  type DrawOptions,
  draw,
  drawDiff,
  drawDot,
  drawMermaid,
  drawPdf,
  drawTikz,
  type Level,
  type Theme,
} from "../draw/index.ts";
import { VARIANTS } from "../models/index.ts";
import { loadToShow, MODEL_HELP, type ModelFlags, oneInput } from "./model.ts";
import { parsePositive, parseShape, print, UsageError } from "./support.ts";

const LEVELS = ["block", "layer"] as const satisfies readonly Level[];
const DIRECTIONS = ["down", "right"] as const satisfies readonly Direction[];
const THEMES = ["light", "dark", "auto"] as const satisfies readonly Theme[];

interface Flags extends ModelFlags {
  output?: string;
  level: Level;
  depth?: number;
  direction?: Direction;
  diff?: string;
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

/** What the endings of files stand for; "svg" is also what goes to standard output. */
const FORMATS = {
  svg: draw,
  png: draw,
  pdf: drawPdf,
  tex: drawTikz,
  mmd: drawMermaid,
  dot: drawDot,
} as const;
type Format = keyof typeof FORMATS | "html";

/** Which kind of file a name asks for; without a name, SVG. */
function formatOf(output: string | undefined): Format {
  if (output === undefined) return "svg";
  const ending = extname(output).slice(1).toLowerCase();
  const names = [...Object.keys(FORMATS), "html"];
  if (names.includes(ending)) return ending as Format;
  const known = names.map((name) => `.${name}`);
  throw new UsageError(
    `draw writes ${known.slice(0, -1).join(", ")} and ${known.at(-1)} files, but "${output}" ends in ${ending ? `.${ending}` : "none of them"}`,
  );
}

function parseDepth(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new UsageError(`--depth has to be a whole number from 0 on, but is "${text}"`);
}

export const command = new Command("draw")
  .description(
    "Draw a network's architecture: as an image, as an interactive page, or for programs that lay it out themselves.",
  )
  .argument("<model>", MODEL_HELP)
  .option(
    "-o, --output <file>",
    "a file to write: .svg, .png, .pdf, .html (interactive), .tex (TikZ), .mmd (Mermaid) or .dot (Graphviz); default: SVG to standard output",
  )
  .addOption(new Option("--level <level>", "a box for each block, or for each layer").choices(LEVELS).default("layer"))
  .option("--depth <n>", "how deep blocks are open, instead of --level: 0 shows them closed", parseDepth)
  .addOption(new Option("--direction <direction>", "one column, or rows; draws boxes").choices(DIRECTIONS))
  .option("--diff <other>", "a second network, drawn below, with what both share and where they part in colors")
  .addOption(new Option("--variant <name>", "which version of the network").choices(VARIANTS))
  .option("--no-aux", "leave out the auxiliary classifiers of GoogLeNet and Inception V3")
  .option("--input <N,C,H,W>", "shape of the input (default: one image of the published size)", parseShape)
  .option("--num-classes <K>", "number of classes", parsePositive)
  .addOption(
    new Option("--theme <theme>", "colors; auto follows the reader's setting in an SVG, and is light in other files")
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
  convnets draw resnet18 --depth 1 --direction down -o resnet18.pdf
  convnets draw googlenet -o googlenet.html
  convnets draw inception_small --level block -o network.mmd
  convnets draw resnet18 --diff resnet34 --level block -o deeper.svg
  convnets draw ./my-network.js --input 1,3,64,64 > my-network.svg`,
  )
  .action(
    async (name: string, { output, level, depth, direction, diff, theme, title, scale, training, ...flags }: Flags) => {
      const format = formatOf(output);
      if (diff !== undefined && (format === "mmd" || format === "dot" || format === "html"))
        throw new UsageError(`--diff has no .${format} file; write an .svg, .png, .pdf or .tex file`);
      if (scale !== undefined && format !== "png")
        throw new UsageError("--scale is for PNG: write to a .png file with -o");
      const folder = dirname(output ?? ".");
      if (!existsSync(folder))
        throw new UsageError(`the folder ${folder} does not exist; create it before writing ${output}`);
      const { model, input } = await loadToShow(name, flags);
      const options: DrawOptions = {
        input: oneInput(input, name),
        level,
        theme,
        ...(depth !== undefined && { depth }),
        ...(direction && { direction }),
        ...(title !== undefined && { title }),
        ...(training && { training }),
      };
      const compared = async (second: string) => {
        const other = await loadToShow(second, flags);
        const names = [name, second] as const;
        const both = { ...options, names, otherInput: oneInput(other.input, second) };
        if (format === "pdf") return drawDiff(model, other.model, { ...both, format });
        return drawDiff(model, other.model, { ...both, format: format === "tex" ? format : "svg" });
      };
      const drawn = async () => {
        if (diff !== undefined) return compared(diff);
        if (format !== "html") return FORMATS[format](model, options);
        const { drawHtml } = await import("../draw/node/index.ts");
        return drawHtml(model, options);
      };
      const drawing = await drawn();
      if (output === undefined) return print(String(drawing).trimEnd());
      if (format !== "png") return writeAtomically(output, typeof drawing === "string" ? drawing : [drawing]);
      const { renderPng } = await import("../draw/node/index.ts");
      await writeAtomically(output, [await renderPng(String(drawing), scale === undefined ? {} : { scale })]);
    },
  );
