/** Random networks against torchinfo itself; it runs where Python finds it, as with PYTHONPATH=…/torchinfo. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type RenderOptions, renderText, summarize } from "../../src/summary/index.ts";
import { pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { has, network, networks } from "./networks.ts";
import { ask } from "./python.ts";

const CASES = 200;
const ALL_DEPTHS = 99;

const cases = fc
  .record({
    network: networks,
    depth: fc.oneof(fc.integer({ min: 0, max: 5 }), fc.constant(ALL_DEPTHS)),
    columns: fc.shuffledSubarray<NonNullable<RenderOptions["columns"]>[number]>([
      "input_size",
      "output_size",
      "num_params",
      "params_percent",
      "kernel_size",
      "mult_adds",
      "trainable",
    ]),
    rows: fc.subarray<NonNullable<RenderOptions["rows"]>[number]>([
      "depth",
      "var_names",
      "ascii_only",
      "hide_recursive_layers",
    ]),
  })
  // cut off above modules that are not called themselves, torchinfo leaves out what those below them cost; we count it
  .filter(
    ({ network, depth, columns }) =>
      depth === ALL_DEPTHS || !columns.includes("mult_adds") || !has("loose", network.parts),
  );

/** torchinfo writes 0, where we write --, for modules cut off whose weights are none of a layer's that is called. */
const withoutZeros = (table: string) => table.replace(/^[├│+|].*$/gm, (row) => row.replace(/ 0(?: |$)/g, " --"));

const reason = pythonSkipReason("torch", "torchinfo");

describe("torchinfo's tables of random networks", unless(reason), () => {
  test(`${CASES} networks, line by line`, () => {
    const drawn = fc.sample(cases, { numRuns: CASES, seed: 1 });
    const tables = ask<string>("table", drawn);
    drawn.forEach(({ network: described, ...options }, i) => {
      const table = renderText(summarize(network(described), { input: described.input }), options);
      expect(table, JSON.stringify(drawn[i])).toBe(withoutZeros(tables[i]!));
    });
  });
});
