import { Command, Option } from "commander";
import { VARIANTS } from "../models/index.ts";
import { type Summary, summarize } from "../summary/index.ts";
import { grouped, loadModel, type ModelFlags, parseCount, parseShape, printJson, printTable } from "./support.ts";

/** What the note compares networks by. */
function facts({ rows, totals }: Summary) {
  const leaves = rows.filter(({ leaf }) => leaf);
  return {
    parameters: totals.params,
    MACs: totals.macs,
    "activations (bytes)": leaves.reduce((sum, { activationBytes }) => sum + activationBytes, 0),
    "layers with weights, in depth": totals.weightLayers,
    "output channels": Number(rows[0]!.outputSize[1]),
  };
}

/** b as a multiple of a. */
function ratio(a: number, b: number): string {
  return a === 0 ? "" : `${(b / a).toFixed(2)}×`;
}

export const command = new Command("compare")
  .description("Set two networks or blocks side by side: parameters, MACs, activations, depth.")
  .argument("<a>", 'a network, "inception" or "naive_inception" (block 3a of GoogLeNet), or file.js[#Export]')
  .argument("<b>", "what to compare it with")
  .addOption(new Option("--variant <name>", "which version of both networks").choices(VARIANTS))
  .option("--input <N,C,H,W>", "shape of the input of both", parseShape)
  .option("--num-classes <K>", "classes of both", parseCount)
  .option("--json", "the comparison for programs")
  .option("--markdown", "a Markdown table")
  .addHelpText(
    "after",
    `
Examples:
  convnets compare inception naive_inception
  convnets compare vgg16 googlenet`,
  )
  .action(async (a: string, b: string, flags: ModelFlags & { json?: boolean; markdown?: boolean }) => {
    const [first, second] = await Promise.all(
      [a, b].map(async (name) => {
        const { model, input } = await loadModel(name, flags);
        return { name, input, facts: facts(summarize(model, { input })) };
      }),
    );
    if (flags.json) return printJson([first, second]);
    const names = Object.keys(first!.facts) as (keyof ReturnType<typeof facts>)[];
    printTable(
      [
        ["", a, b, `${b} / ${a}`],
        ["input", ...[first, second].map((one) => one!.input.join("×")), ""],
        ...names.map((name) => {
          const [x, y] = [first!.facts[name], second!.facts[name]];
          return [name, grouped(x), grouped(y), ratio(x, y)];
        }),
      ],
      { markdown: flags.markdown ?? false },
    );
  });
