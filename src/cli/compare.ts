import { Command, Option } from "commander";
import { VARIANTS } from "../models/index.ts";
import { summarize } from "../summary/index.ts";
import { grouped } from "./format.ts";
import { loadToShow, MODEL_HELP, type ModelFlags } from "./model.ts";
import { type InputShape, isShape, parseInput, parsePositive, printJson, printTable } from "./support.ts";

/** What networks are compared by, as in the study note (lecture notes on VGG, NiN and GoogLeNet in PyTorch). */
const FACTS = {
  parameters: "parameters",
  macs: "MACs",
  activationBytes: "activations (bytes)",
  weightLayers: "weight layers deep",
  receptiveField: "receptive field (pixels)",
  outputChannels: "output channels",
} as const;

type Facts = Readonly<Record<keyof typeof FACTS, number>>;

async function factsOf(name: string, flags: ModelFlags): Promise<{ name: string; input: InputShape } & Facts> {
  const { model, input } = await loadToShow(name, flags);
  const { rows, totals } = summarize(model, { input });
  return {
    name,
    input,
    parameters: totals.params,
    macs: totals.macs,
    activationBytes: totals.activationBytes,
    weightLayers: totals.weightLayers,
    receptiveField: Math.max(...totals.receptiveField),
    outputChannels: Number(rows[0]?.outputSize?.[1] ?? 0),
  };
}

const shown = (input: InputShape) =>
  (isShape(input) ? [input] : Object.values(input)).map((shape) => shape.join("×")).join(" + ");

const ratio = (a: number, b: number) => (a === 0 ? "" : `${(b / a).toFixed(2)}×`);

export const command = new Command("compare")
  .description(
    "Compare two networks or blocks: parameters, multiply-accumulate operations (MACs), bytes of all activations, weight layers on the longest path, and the receptive field in pixels.",
  )
  .argument("<a>", MODEL_HELP)
  .argument("<b>", "the network to compare it with; ratios are b / a")
  .addOption(new Option("--variant <name>", "which version of both networks").choices(VARIANTS))
  .option(
    "--input <N,C,H,W>",
    "shape of the input of both (default: one image of the published size of each)",
    parseInput,
  )
  .option("--num-classes <K>", "classes of both", parsePositive)
  .option("--json", "the comparison as JSON")
  .addOption(new Option("--markdown", "a Markdown table").conflicts("json"))
  .addHelpText(
    "after",
    `
Examples:
  convnets compare inception naive_inception       what 1×1 reductions save (block 3a of GoogLeNet)
  convnets compare vgg16 googlenet --markdown
  convnets compare nin ./my-network.js --input 1,3,32,32`,
  )
  .action(async (a: string, b: string, flags: ModelFlags & { json?: boolean; markdown?: boolean }) => {
    const [first, second] = [await factsOf(a, flags), await factsOf(b, flags)];
    if (flags.json) return printJson([first, second]);
    printTable(
      [
        ["", a, b, "ratio"],
        ["input", shown(first.input), shown(second.input), ""],
        ...(Object.keys(FACTS) as (keyof Facts)[]).map((fact) => [
          FACTS[fact],
          grouped(first[fact]),
          grouped(second[fact]),
          ratio(first[fact], second[fact]),
        ]),
      ],
      { markdown: flags.markdown ?? false },
    );
  });
