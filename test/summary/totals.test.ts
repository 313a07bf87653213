/** What is printed adds up, in every form and at every depth. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createModel, MODELS, type ModelName } from "../../src/models/index.ts";
import {
  type Column,
  renderCsv,
  renderJson,
  renderMarkdown,
  renderText,
  type Summary,
  summarize,
} from "../../src/summary/index.ts";
import { imagesOf } from "../support/images.ts";
import { network, networks } from "./networks.ts";

const ALL = (Object.keys(MODELS) as ModelName[]).flatMap((name) =>
  MODELS[name].variants.map((variant) => [name, variant] as const),
);
const NUMBERS = ["num_params", "mult_adds", "macs"] as const satisfies readonly Column[];
/** Characters of a column of the table, with the space behind it. */
const COLUMN = 26;

const summaryOf = (name: ModelName, options: Parameters<typeof createModel>[1] = {}, training = false) => {
  const model = createModel(name, options);
  return summarize(model, { input: imagesOf(model), training });
};

/** Sums of the table's columns, read off the text: brackets mark frozen parameters, "(recursive)" those counted before. */
function sumsOf(text: string): number[] {
  const [, head, , ...lines] = text.split("\n");
  const start = head!.indexOf("Param #");
  const rows = lines.slice(
    0,
    lines.findIndex((line) => line.startsWith("===")),
  );
  return NUMBERS.map((_, i) => {
    const cells = rows.map((row) => row.slice(start + i * COLUMN, start + (i + 1) * COLUMN).trim());
    return cells.reduce((sum, cell) => sum + (/\d/.test(cell) ? Number(cell.replace(/[(),]/g, "")) : 0), 0);
  });
}

const printed = (text: string, title: string) =>
  Number(text.match(new RegExp(`^${title}: ([\\d,]+)$`, "m"))![1]!.replaceAll(",", ""));

function expectSums(summary: Summary, depth: number): void {
  const text = renderText(summary, { depth, columns: NUMBERS });
  const { params, multAdds, macs } = summary.totals;
  expect(sumsOf(text)).toEqual([params, multAdds, macs]);
  expect(printed(text, "Total params")).toBe(params);
  expect(printed(text, "Trainable params") + printed(text, "Non-trainable params")).toBe(params);
}

describe("columns add up to the totals", () => {
  test.each(ALL)("%s, %s", (name, variant) => {
    const model = createModel(name, { variant });
    for (const training of [false, true]) {
      const summary = summarize(model, { input: imagesOf(model, 2), training });
      for (const depth of [0, 1, 2, 3, 9]) {
        expectSums(summary, depth);
      }
    }
  });

  test("random networks, at full depth", () => {
    // a cut may stand above two modules that share a third, which then counts in both, as in torchinfo
    fc.assert(
      fc.property(networks, (drawn) => {
        expectSums(summarize(network(drawn), { input: drawn.input }), 99);
      }),
      { numRuns: 100 },
    );
  });

  test("sizes: inputs, weights, and twice the outputs of layers with weights", () => {
    fc.assert(
      fc.property(networks, (drawn) => {
        const { rows, totals } = summarize(network(drawn), { input: drawn.input });
        const weighted = rows.filter(({ leaf, params }) => leaf && params > 0);
        const elements = (shape: readonly (number | string)[] = []) => shape.reduce<number>((n, d) => n * Number(d), 1);
        expect(totals.inputBytes).toBe(4 * elements(drawn.input));
        expect(totals.paramBytes).toBe(4 * totals.params);
        expect(totals.activationBytes).toBe(rows[0]!.activationBytes);
        expect(totals.passBytes).toBe(weighted.reduce((sum, { outputSize }) => sum + 8 * elements(outputSize), 0));
      }),
    );
  });
});

describe("rows", () => {
  test("are numbered by depth, and belong to a row above", () => {
    fc.assert(
      fc.property(networks, (drawn) => {
        const { rows } = summarize(network(drawn), { input: drawn.input });
        const counts: number[] = [];
        rows.forEach(({ depth, index, path }, at) => {
          counts[depth] = (counts[depth] ?? 0) + 1;
          expect(index).toBe(counts[depth]);
          const parent = rows.slice(0, at).findLast((row) => row.depth < depth);
          expect(parent?.depth ?? -1).toBe(depth - 1);
          if (parent) expect(path.split(".").slice(0, -1).join(".")).toBe(parent.path);
        });
      }),
    );
  });

  test("parameters of modules that are not called count with the module that has them", () => {
    const { rows, totals } = summaryOf("googlenet", { variant: "torchvision" });
    expect(rows[0]!.ownParams).toBe(13_004_888 - 6_624_904);
    expect(totals.params).toBe(13_004_888);
    expect(summaryOf("googlenet", { variant: "torchvision" }, true).rows[0]!.ownParams).toBe(0);
  });

  test("frozen parameters are in brackets and not counted as trainable", () => {
    const model = createModel("vgg16");
    for (const [key, parameter] of model.parameters())
      if (key.startsWith("feature_part")) parameter.requiresGrad = false;
    const text = renderText(summarize(model, { input: [1, 3, 224, 224] }), { columns: ["num_params", "trainable"] });
    expect(text).toMatch(/Conv2d: 2-1 +\(1,792\) +False/);
    expect(text).toMatch(/Linear: 2-33 +102,764,544 +True/);
    expect(text).toMatch(/VGG16 +-- +Partial/);
    expect(printed(text, "Non-trainable params")).toBe(14_714_688);
  });
});

describe("other forms", () => {
  const summary = summaryOf("nin");
  const columns = ["output_size", "num_params", "mult_adds", "receptive_field"] as const;

  test("CSV holds numbers without separators, and shapes in quotes", () => {
    const lines = renderCsv(summary, { columns }).split("\n");
    expect(lines[0]).toBe("depth,index,type,path,output_size,num_params,mult_adds,receptive_field");
    expect(lines[3]).toBe('2,1,Conv2d,block1.0,"[1, 192, 32, 32]",14592,14942208,"[5, 5]"');
    // 5, pool 7, 5×5 of every second pixel 15, pool 19, 3×3 of every fourth 27, average over 7×7 51
    expect(lines.at(-1)).toBe('2,24,Softmax,block3.7,"[1, 10, 1, 1]",,,"[51, 51]"');
    expect(lines).toHaveLength(summary.rows.length + 1);
  });

  test("Markdown has as many cells in each row", () => {
    const [head, rule, ...rest] = renderMarkdown(summary, { columns, depth: 1 }).split("\n");
    const body = rest.slice(0, rest.indexOf(""));
    expect(body).toHaveLength(4);
    for (const line of [head!, rule!, ...body]) expect(line.split(" | ")).toHaveLength(columns.length + 1);
    expect(rest).toContain("- Total params: 966,986");
  });

  test("JSON holds all rows, or those up to a depth", () => {
    expect(JSON.parse(renderJson(summary))).toEqual(JSON.parse(JSON.stringify(summary)));
    expect(JSON.parse(renderJson(summary, { depth: 1 })).rows).toHaveLength(4);
  });

  test("sizes have to be numbers", () => {
    expect(() => summarize(createModel("nin"), { input: ["N", 3, 32, 32] })).toThrow(
      'summarize: every size has to be a number, but the input "input" is [N, 3, 32, 32]',
    );
  });
});

describe("of the architectures", () => {
  test.each([
    ["vgg11", 11],
    ["vgg16", 16],
    ["vgg19_bn", 19],
    ["nin", 9],
    // "22 layers deep when counting only layers with parameters" (Szegedy et al. 2015)
    ["googlenet", 22],
    ["lenet5", 5],
    ["alexnet", 8],
    ["resnet18", 18],
    ["resnet152", 152],
    ["resnet110", 110],
  ] as const)("%s is %i layers deep", (name, depth) => {
    expect(summaryOf(name).totals.weightLayers).toBe(depth);
  });

  test("a layer's MACs are those of its matrix product, without biases", () => {
    const { totals, rows } = summaryOf("vgg16");
    const byHand = rows
      .filter(({ type }) => type === "Conv2d" || type === "Linear")
      .reduce(
        (sum, { multAdds, outputSize }) => sum + multAdds - outputSize!.reduce<number>((n, d) => n * Number(d), 1),
        0,
      );
    expect(totals.macs).toBe(byHand);
  });
});
