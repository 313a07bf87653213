import { Command, Option } from "commander";
import { VARIANTS } from "../models/index.ts";
import { summarize } from "../summary/index.ts";
import { grouped } from "./format.ts";
import { loadModel, MODEL_HELP, type ModelFlags } from "./model.ts";
import { parsePositive, parseShape, printJson, printTable } from "./support.ts";

/** What the note compares networks by, with the words for it. */
const FACTS = {
  parameters: "parameters",
  macs: "MACs",
  activationBytes: "activations (bytes)",
  weightLayers: "weight layers deep",
  receptiveField: "receptive field (pixels)",
  outputChannels: "output channels",
} as const;

type Facts = Readonly<Record<keyof typeof FACTS, number>>;

async function factsOf(name: string, flags: ModelFlags): Promise<{ name: string; input: readonly number[] } & Facts> {
  const { model, input } = await loadModel(name, flags);
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

const ratio = (a: number, b: number) => (a === 0 ? "" : `${(b / a).toFixed(2)}×`);

export const command = new Command("compare")
  .description(
    "Set two networks or blocks side by side by what they cost and see: parameters, multiply-accumulate operations (MACs), bytes of all results, layers with weights on the longest way, and pixels of the image that a pixel of the deepest maps depends on.",
  )
  .argument("<a>", MODEL_HELP)
  .argument("<b>", "what to compare it with; ratios are of this one to the first")
  .addOption(new Option("--variant <name>", "which version of both networks").choices(VARIANTS))
  .option(
    "--input <N,C,H,W>",
    "shape of the input of both (default: one image of each one's published size)",
    parseShape,
  )
  .option("--num-classes <K>", "classes of both", parsePositive)
  .option("--json", "the comparison for programs")
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
        ["input", first.input.join("×"), second.input.join("×"), ""],
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
