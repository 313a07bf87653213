import { Command, Option } from "commander";
import { VARIANTS } from "../models/index.ts";
import {
  COLUMNS,
  type Column,
  type RenderOptions,
  ROW_SETTINGS,
  type RowSetting,
  renderCsv,
  renderJson,
  renderMarkdown,
  renderText,
  summarize,
} from "../summary/index.ts";
import { loadToShow, MODEL_HELP, type ModelFlags } from "./model.ts";
import { INPUTS_HELP, parseCount, parseInput, parseNames, parsePositive, print } from "./support.ts";

interface Flags extends ModelFlags {
  depth?: number;
  columns?: Column[];
  rows?: RowSetting[];
  training?: boolean;
  json?: boolean;
  markdown?: boolean;
  csv?: boolean;
}

const columnNames = Object.keys(COLUMNS) as Column[];

export const command = new Command("summary")
  .description("Show a network as a table, like torchinfo: layers, shapes, parameters, mult-adds, sizes.")
  .argument("<model>", MODEL_HELP)
  .addOption(new Option("--variant <name>", "which version of the network").choices(VARIANTS))
  .option("--no-aux", "leave out the auxiliary classifiers of GoogLeNet and Inception V3")
  .option("--input <N,C,H,W>", `${INPUTS_HELP} (default: one image of the published size)`, parseInput)
  .option("--num-classes <K>", "classes of the last layer", parsePositive)
  .option("--depth <D>", "levels of modules to show (default: 3; all in JSON)", parseCount)
  .option("--columns <names>", `columns to show: ${columnNames.join(", ")}`, parseNames(columnNames))
  .option(
    "--rows <names>",
    `what a row is called, and which rows are shown: ${ROW_SETTINGS.join(", ")}`,
    parseNames(ROW_SETTINGS),
  )
  .option("--training", "the network in training mode (torchvision's GoogLeNet has auxiliary outputs only then)")
  .addOption(
    new Option("--json", "all facts and totals, for programs").conflicts(["markdown", "csv", "columns", "rows"]),
  )
  .addOption(new Option("--markdown", "a Markdown table").conflicts("csv"))
  .option("--csv", "comma-separated values, numbers without separators")
  .addHelpText(
    "after",
    `
Examples:
  convnets summary vgg16
  convnets summary nin --input 64,3,32,32 --columns input_size,output_size,num_params,mult_adds
  convnets summary googlenet --depth 4 --rows depth,var_names
  convnets summary vgg16 --columns output_size,receptive_field,activation_bytes
  convnets summary ./my-network.js --input 1,3,64,64 --json
  convnets summary ./two-inputs.js --input image=1,3,64,64 --input mask=1,1,64,64`,
  )
  .action(async (name: string, flags: Flags) => {
    const { model, input } = await loadToShow(name, flags);
    const summary = summarize(model, { input, ...(flags.training && { training: true }) });
    const options: RenderOptions = {
      ...(flags.depth !== undefined && { depth: flags.depth }),
      ...(flags.columns && { columns: flags.columns }),
      ...(flags.rows && { rows: flags.rows }),
    };
    const render = flags.json ? renderJson : flags.markdown ? renderMarkdown : flags.csv ? renderCsv : renderText;
    // a terminal would wrap the long lines; pipes have no width
    print(render(summary, options).replace(/^=+$/gm, (rule) => rule.slice(0, process.stdout.columns)));
  });
