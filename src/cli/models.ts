import { Command } from "commander";
import { createModel, MODELS } from "../models/index.ts";
import { summarize } from "../summary/index.ts";
import { grouped, printJson, printTable } from "./support.ts";

/** Parameters and costs of every network and variant, at the size it was published for. */
function facts() {
  return Object.entries(MODELS).flatMap(([name, entry]) =>
    entry.variants.map((variant) => {
      const { inputSize, numClasses, title } = entry;
      const input = [1, 3, inputSize, inputSize];
      const { params, macs } = summarize(createModel(name, { variant }), { input }).totals;
      return { name, variant, input, numClasses, params, macs, title };
    }),
  );
}

export const command = new Command("models")
  .description("List the networks there are, with their parameters and multiply-accumulate operations (MACs).")
  .option("--json", "the list for programs")
  .option("--markdown", "a Markdown table")
  .action(({ json, markdown = false }: { json?: boolean; markdown?: boolean }) => {
    const models = facts();
    if (json) return printJson(models);
    printTable(
      [
        ["network", "variant", "input", "classes", "parameters", "MACs", ""],
        ...models.map(({ name, variant, input, numClasses, params, macs, title }) => [
          name,
          variant,
          input.slice(1).join("×"),
          String(numClasses),
          grouped(params),
          `${(macs / 1e6).toFixed(1)} M`,
          title,
        ]),
      ],
      { markdown },
    );
  });
