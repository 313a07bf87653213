import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { Command, Option } from "commander";
import { writeAtomically } from "../checkpoint/node/index.ts";
import { draw, type Level, type Theme } from "../draw/index.ts";
import { VARIANTS } from "../models/index.ts";
import { loadToShow, type ModelFlags, oneInput } from "./model.ts";
import { parsePositive, parseShape, print, UsageError } from "./support.ts";

const LEVELS = ["block", "layer"] as const satisfies readonly Level[];
const THEMES = ["light", "dark", "auto"] as const satisfies readonly Theme[];

interface Flags extends ModelFlags {
  output?: string;
  level: Level;
  theme: Theme;
  title?: string;
  training?: boolean;
}

export const command = new Command("draw")
  .description("Draw a network's architecture as an SVG picture.")
  .argument("<model>", 'a registered network (see "convnets models"), inception, naive_inception, or file.js[#Export]')
  .option("-o, --output <file.svg>", "where to write the picture (default: standard output)")
  .addOption(new Option("--level <level>", "a box for each block, or for each layer").choices(LEVELS).default("layer"))
  .addOption(new Option("--variant <name>", "which version of the network").choices(VARIANTS))
  .option("--input <N,C,H,W>", "shape of the input (default: one image of the published size)", parseShape)
  .option("--num-classes <K>", "classes of the last layer", parsePositive)
  .addOption(
    new Option("--theme <theme>", "colours; auto follows the reader's setting").choices(THEMES).default("auto"),
  )
  .option("--title <text>", "headline (default: the network's name)")
  .option("--training", "the network as it is while training (torchvision's GoogLeNet has auxiliary outputs only then)")
  .addHelpText(
    "after",
    `
Examples:
  convnets draw vgg16 -o vgg16.svg
  convnets draw googlenet --level block --theme dark -o googlenet.svg
  convnets draw ./my-network.js --input 1,3,64,64 > my-network.svg`,
  )
  .action(async (name: string, { output, level, theme, title, training, ...flags }: Flags) => {
    const folder = dirname(output ?? ".");
    if (!existsSync(folder)) throw new UsageError(`there is no folder ${folder} to write ${output} into`);
    const { model, input } = await loadToShow(name, flags);
    const picture = draw(model, {
      input: oneInput(input, name),
      level,
      theme,
      ...(title !== undefined && { title }),
      ...(training && { training }),
    });
    if (output === undefined) print(picture.trimEnd());
    else await writeAtomically(output, picture);
  });
