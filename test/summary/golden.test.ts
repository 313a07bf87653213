/** Tables that torchinfo printed for the three networks; golden/make.py makes them anew. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createModel } from "../../src/models/index.ts";
import { type RenderOptions, renderText, summarize } from "../../src/summary/index.ts";
import { imagesOf } from "../support/images.ts";

const KINDS: Readonly<Record<string, RenderOptions>> = {
  default: {},
  columns_depth4: {
    depth: 4,
    columns: ["input_size", "output_size", "num_params", "kernel_size", "mult_adds"],
    rows: ["depth", "var_names"],
  },
};

describe("tables equal torchinfo's, line by line", () => {
  for (const name of ["vgg16", "nin", "googlenet"] as const) {
    test.each(Object.entries(KINDS))(`${name}, %s`, (kind, options) => {
      const model = createModel(name);
      const table = renderText(summarize(model, { input: imagesOf(model) }), options);
      const golden = readFileSync(new URL(`golden/${name}_${kind}.txt`, import.meta.url), "utf8");
      expect(table.split("\n")).toEqual(golden.trimEnd().split("\n"));
    });
  }
});
