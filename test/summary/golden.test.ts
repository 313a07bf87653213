import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { createModel, MODELS } from "../../src/models/index.ts";
import { type RenderOptions, renderText, summarize } from "../../src/summary/index.ts";

const GOLDEN = fileURLToPath(new URL("../../../shared/golden/torchinfo", import.meta.url));
const reason = existsSync(GOLDEN) ? undefined : "skipped: torchinfo's own output is not there";
if (reason) console.warn(reason);

const COLUMNS: RenderOptions = {
  depth: 4,
  columns: ["input_size", "output_size", "num_params", "kernel_size", "mult_adds"],
  rows: ["depth", "var_names"],
};

const summaryOf = (name: keyof typeof MODELS) => {
  const { inputSize } = MODELS[name];
  return summarize(createModel(name), { input: [1, 3, inputSize, inputSize] });
};

describe.skipIf(reason !== undefined)("tables equal torchinfo's, line by line", () => {
  for (const name of ["vgg16", "nin", "googlenet"] as const) {
    for (const [kind, options] of [
      ["default", {}],
      ["columns_depth4", COLUMNS],
    ] as const) {
      test(`${name}, ${kind}`, () => {
        const golden = readFileSync(`${GOLDEN}/${name}_${kind}.txt`, "utf8").trimEnd().split("\n");
        expect(renderText(summaryOf(name), options).split("\n")).toEqual(golden);
      });
    }
  }
});

describe("printed numbers add up", () => {
  for (const name of ["vgg11_bn", "nin", "nin_imagenet", "googlenet", "inception_small"] as const) {
    for (const depth of [1, 2, 3, 9]) {
      test(`${name}, depth ${depth}`, () => {
        const text = renderText(summaryOf(name), { depth, columns: ["num_params", "mult_adds"] });
        const [, , , ...lines] = text.split("\n");
        const rows = lines.slice(
          0,
          lines.findIndex((line) => line.startsWith("===")),
        );
        const column = (cells: 1 | 2) =>
          rows.reduce(
            (sum, line) =>
              sum +
                Number(
                  (
                    line
                      .trim()
                      .split(/\s{2,}/)
                      .at(-(3 - cells)) ?? ""
                  ).replaceAll(",", "") || 0,
                ) || sum,
            0,
          );
        const total = (title: string) =>
          Number(text.match(new RegExp(`^${title}: ([\\d,]+)`, "m"))![1]!.replaceAll(",", ""));
        expect(column(1)).toBe(total("Total params"));
        expect(total("Trainable params") + total("Non-trainable params")).toBe(total("Total params"));
        expect(column(2)).toBe(summaryOf(name).totals.multAdds);
      });
    }
  }
});
