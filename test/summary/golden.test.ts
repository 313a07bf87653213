/** torchinfo's own output for the three networks. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { createModel, MODELS } from "../../src/models/index.ts";
import { type RenderOptions, renderText, summarize } from "../../src/summary/index.ts";
import { unless } from "../support/skip.ts";

const GOLDEN = fileURLToPath(new URL("../../../shared/golden/torchinfo", import.meta.url));
const reason = existsSync(GOLDEN) ? undefined : `skipped: torchinfo's own output is not there (${GOLDEN})`;

const KINDS: Readonly<Record<string, RenderOptions>> = {
  default: {},
  columns_depth4: {
    depth: 4,
    columns: ["input_size", "output_size", "num_params", "kernel_size", "mult_adds"],
    rows: ["depth", "var_names"],
  },
};

describe("tables equal torchinfo's, line by line", unless(reason), () => {
  for (const name of ["vgg16", "nin", "googlenet"] as const) {
    test.each(Object.entries(KINDS))(`${name}, %s`, (kind, options) => {
      const { inputSize } = MODELS[name];
      const table = renderText(summarize(createModel(name), { input: [1, 3, inputSize, inputSize] }), options);
      const golden = readFileSync(`${GOLDEN}/${name}_${kind}.txt`, "utf8").trimEnd().split("\n");
      expect(table.split("\n")).toEqual(golden);
    });
  }
});
