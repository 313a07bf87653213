import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ticks } from "../../src/report/chart.ts";
import { report } from "../../src/report/index.ts";
import { settingsOf } from "../../src/report/settings.ts";
import { dataOf } from "./report-data.ts";

/** Text between tags, without style sheets. */
const words = (page: string) =>
  page
    .replaceAll(/<style>.*?<\/style>/gs, "")
    .replaceAll(/<[^>]*>/g, " ")
    .replaceAll("\u00a0", " ")
    .replaceAll(/\s+/g, " ");

describe("a report", () => {
  test("tells the key numbers, every epoch, every class and every mistake", () => {
    const data = dataOf({ epochs: 4 });
    const text = words(report(data));
    expect(text).toContain("Finished after 4 of 4 epochs · 2026-01-02 03:04 UTC");
    expect(text).toContain("Best top-1 90.0 % epoch 4");
    expect(text).toContain("Waiting for data 2.0 % of the training time");
    for (const { train, validation } of data.epochs) {
      expect(text).toContain(train.loss.toFixed(4));
      expect(text).toContain(validation!.loss.toFixed(4));
    }
    const { confusion } = data.evaluation!;
    const cells = [...report(data).matchAll(/title="class (\d) taken for class (\d): (\d+) of 100"/g)];
    expect(cells.map(([, label, predicted, count]) => [Number(label), Number(predicted), Number(count)])).toEqual(
      confusion.slice(0, 9).flatMap((row, label) => row.map((count, predicted) => [label, predicted, count])),
    );
    expect(text).toContain("class 0 90.0 %");
    expect(text).toContain("class 9 –"); // it has no images
    for (const { mistake } of data.pictures) {
      const { label, predicted, probability } = mistake;
      expect(text).toContain(`class ${predicted} ${(100 * probability).toFixed(1)} % sure is class ${label}`);
    }
    expect(text).toContain("optimizer.momentum 0.9");
  });

  test("of a run that was stopped early on, without validation or without anything, says what there is", () => {
    expect(words(report(dataOf({ stopAfter: 3 })))).toContain("Stopped after 0 of 3 epochs");
    expect(words(report(dataOf({ validation: false })))).not.toContain("Confusion");
    const { drawing: _drawing, summary: _summary, evaluation: _evaluation, ...bare } = dataOf({ stopAfter: 1 });
    const nothing = report({ ...bare, steps: [], pictures: [], notes: ["The network cannot be shown: it is gone"] });
    expect(words(nothing)).toContain("The network cannot be shown: it is gone");
    for (const page of [nothing, report(dataOf({ stopAfter: 1 })), report(dataOf({ epochs: 1, stepsPerEpoch: 1 }))])
      expect(/.{0,80}(NaN|Infinity|undefined|null).{0,80}/.exec(page)?.[0]).toBeUndefined();
  });

  test("with many classes, shows the pairs that are confused most and the classes found least", () => {
    const text = words(report(dataOf({ classes: 100 })));
    expect(text).toContain("The pairs that were confused most.");
    expect(text).toContain("class 0 class 1 20 of 100 20.0 %");
    expect(text).toContain("80 more classes");
  });

  test("needs nothing else", () => {
    const page = report(dataOf());
    expect(page).not.toMatch(/<script|<link|<iframe|@import|url\(|javascript:/i);
    const sources = [...page.matchAll(/\s(?:src|href)="([^"]*)"/g)].map(([, url]) => url!);
    expect(sources).toHaveLength(12);
    for (const url of sources) expect(url).toMatch(/^data:image\/png;base64,/);
    expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"`);
  });
});

describe("axes", () => {
  test("have round ticks: 1, 2 or 5 times a power of ten apart, all within the range, about as many as asked for", () => {
    const range = fc.record({
      low: fc.double({ min: -1e6, max: 1e6, noNaN: true }),
      span: fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
      count: fc.integer({ min: 3, max: 10 }),
    });
    fc.assert(
      fc.property(range, ({ low, span, count }) => {
        const high = low + span;
        const all = ticks(low, high, count);
        expect(all.length).toBeGreaterThanOrEqual(Math.floor(count / 2.5));
        expect(all.length).toBeLessThanOrEqual(count + 1);
        const slack = span * 1e-6;
        for (const tick of all) expect(tick >= low - slack && tick <= high + slack).toBe(true);
        const step = (all.at(-1)! - all[0]!) / (all.length - 1);
        if (all.length > 1) expect(Number(step.toPrecision(4)).toExponential()).toMatch(/^[125]e/);
      }),
    );
  });
});

test("settings are named by their path, transforms by what they do", () => {
  expect(
    settingsOf({
      lr: 0.05,
      optimizer: { name: "sgd", momentum: 0.9 },
      transforms: { train: ["randomHorizontalFlip", { normalize: { mean: [0.5], std: [0.25] } }] },
      freeze: [],
      clipNorm: undefined,
    }),
  ).toEqual([
    ["lr", "0.05"],
    ["optimizer.name", "sgd"],
    ["optimizer.momentum", "0.9"],
    ["transforms.train", "randomHorizontalFlip, normalize(mean [0.5], std [0.25])"],
    ["freeze", "none"],
  ]);
});

test("a page is as small as its pictures allow", () => {
  expect(report(dataOf({ epochs: 100, stepsPerEpoch: 1000 })).length).toBeLessThan(250_000);
});
