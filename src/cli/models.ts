import { Command, Option } from "commander";
import { createModel, MODELS } from "../models/index.ts";
import { summarize } from "../summary/index.ts";
import { grouped, scaled } from "./format.ts";
import { imagesFor } from "./model.ts";
import { print, printJson, printTable } from "./support.ts";

/** Parameters and cost of every network and variant, at the size it was published for. */
function facts() {
  return Object.entries(MODELS).flatMap(([name, { variants, numClasses, title }]) =>
    variants.map((variant) => {
      const model = createModel(name, { variant });
      const input = imagesFor(model);
      const { params, macs } = summarize(model, { input }).totals;
      return { name, variant, input, numClasses, parameters: params, macs, title };
    }),
  );
}

/** A row for each network; variants that cost the same share it. */
function table(models: ReturnType<typeof facts>): string[][] {
  const rows = new Map<string, { variants: string[]; cells: string[] }>();
  for (const { name, variant, input, numClasses, parameters, macs, title } of models) {
    const cells = [input.slice(1).join("×"), String(numClasses), grouped(parameters), scaled(macs), title];
    const key = [name, ...cells].join("|");
    if (!rows.has(key)) rows.set(key, { variants: [], cells: [name, ...cells] });
    rows.get(key)!.variants.push(variant);
  }
  return [
    ["network", "variants", "input", "classes", "parameters", "MACs", "what it is"],
    ...[...rows.values()].map(({ variants, cells: [name, ...cells] }) => [name!, variants.join(" "), ...cells]),
  ];
}

const VARIANTS_NOTE = `
Variants (--variant; a network's first is its default):
  note         as in the study note, a set of lecture notes on VGG, NiN and GoogLeNet in PyTorch
  paper        as published
  torchvision  as in torchvision, whose weights it loads (--weights torchvision)`;

export const command = new Command("models")
  .description("List the available networks, with their parameters and multiply-accumulates (MACs) per image.")
  .option("--json", "as JSON, for programs")
  .addOption(new Option("--markdown", "a Markdown table").conflicts("json"))
  .addHelpText(
    "after",
    `${VARIANTS_NOTE}

Examples:
  convnets models
  convnets models --json`,
  )
  .action(({ json, markdown = false }: { json?: boolean; markdown?: boolean }) => {
    const models = facts();
    if (json) return printJson(models);
    printTable(table(models), { markdown });
    if (!markdown) print(VARIANTS_NOTE);
  });
