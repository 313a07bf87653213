/** The costs that "convnets models" shows without building a network; "npx vitest run test/cli/costs.test.ts -u" writes them. */
import { expect, it } from "vitest";
import { createModel, MODELS, type ModelName } from "../../src/models/index.ts";
import { summarize } from "../../src/summary/index.ts";
import { imagesOf } from "../support/images.ts";

const HEAD = `/**
 * Parameters, multiply-accumulates of an image, and its side in pixels, for each network and variant. Written by
 * test/cli/costs.test.ts, which compares them with \`summarize\`: npx vitest run test/cli/costs.test.ts -u
 */
// biome-ignore format: a table
export const COSTS: Readonly<Record<string, readonly [parameters: number, macs: number, inputSize: number]>> = {
`;

it("are those of every network in every variant", { timeout: 60_000 }, async () => {
  const lines = (Object.keys(MODELS) as ModelName[]).flatMap((name) =>
    MODELS[name].variants.map((variant) => {
      const model = createModel(name, { variant });
      const { params, macs } = summarize(model, { input: imagesOf(model) }).totals;
      return `  "${name} ${variant}": [${params}, ${macs}, ${model.spec!.inputSize}],\n`;
    }),
  );
  await expect(`${HEAD}${lines.join("")}};\n`).toMatchFileSnapshot("../../src/cli/costs.ts");
});
