import { Command, Option } from "commander";
import { VARIANTS } from "../models/index.ts";
import {
  COLUMNS,
  type Column,
  type RenderOptions,
  ROW_SETTINGS,
  type RowSetting,
  renderCsv,
  renderMarkdown,
  renderText,
  summarize,
} from "../summary/index.ts";
import { loadModel, type ModelFlags, parseCount, parseNames, parseShape, print, printJson } from "./support.ts";

interface Flags extends ModelFlags {
  depth: number;
  columns?: Column[];
  rows?: RowSetting[];
  training?: boolean;
  json?: boolean;
  markdown?: boolean;
  csv?: boolean;
}

const columnNames = Object.keys(COLUMNS) as Column[];

export const command = new Command("summary")
  .description("Show a network as a table, as torchinfo does: layers, shapes, parameters, mult-adds, sizes.")
  .argument("<model>", 'a registered network (see "convnets models"), or file.js[#Export] with a Module')
  .addOption(new Option("--variant <name>", "which version of the network").choices(VARIANTS))
  .option("--input <N,C,H,W>", "shape of the input (default: one image of the published size)", parseShape)
  .option("--num-classes <K>", "classes of the last layer", parseCount)
  .option("--depth <D>", "levels of modules to show", parseCount, 3)
  .option("--columns <names>", `columns, of ${columnNames.join(", ")}`, parseNames(columnNames))
  .option("--rows <names>", `what names a row, of ${ROW_SETTINGS.join(", ")}`, parseNames(ROW_SETTINGS))
  .option("--training", "the network as it is while training (torchvision's GoogLeNet has auxiliary outputs only then)")
  .addOption(new Option("--json", "facts and totals for programs").conflicts(["markdown", "csv"]))
  .addOption(new Option("--markdown", "a Markdown table").conflicts("csv"))
  .option("--csv", "comma-separated values")
  .addHelpText(
    "after",
    `
Examples:
  convnets summary vgg16
  convnets summary nin --input 64,3,32,32 --columns input_size,output_size,num_params,mult_adds
  convnets summary googlenet --depth 4 --rows depth,var_names
  convnets summary ./my-network.js --input 1,3,64,64 --json`,
  )
  .action(async (name: string, flags: Flags) => {
    const { model, input } = await loadModel(name, flags);
    const summary = summarize(model, { input, ...(flags.training && { training: true }) });
    const options: RenderOptions = {
      depth: flags.depth,
      ...(flags.columns && { columns: flags.columns }),
      ...(flags.rows && { rows: flags.rows }),
    };
    if (flags.json) printJson({ model: name, input, ...summary });
    else if (flags.markdown) print(renderMarkdown(summary, options));
    else if (flags.csv) print(renderCsv(summary, options));
    else print(renderText(summary, options));
  });
