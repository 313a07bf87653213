import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { type Browser, chromium } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { draw } from "../../src/draw/index.ts";
import { createModel } from "../../src/models/index.ts";
import { ticks } from "../../src/report/chart.ts";
import { type ReportData, report } from "../../src/report/index.ts";
import { settingsOf } from "../../src/report/settings.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { type Course, course, evaluation } from "./made-up.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-report-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PIXEL = `data:image/png;base64,${(
  await sharp({ create: { width: 8, height: 8, channels: 3, background: "#c63" } })
    .png()
    .toBuffer()
).toString("base64")}`;

interface MadeUp extends Course {
  /** A text that stands wherever a text may stand. */
  readonly text?: string;
}

function dataOf({ text = "", ...options }: MadeUp = {}): ReportData {
  const { epochs = 3, classes = 10, validation = true } = options;
  const events = [...course(options)];
  const evaluated = validation && !options.stopAfter ? evaluation(epochs - 1, classes) : undefined;
  return {
    title: `nin on shapes${text}`,
    state: options.stopAfter ? "stopped" : "finished",
    time: "2026-01-02T03:04:05.000Z",
    config: { model: `nin${text}`, epochs, optimizer: { name: "sgd", momentum: 0.9 }, [`x${text}`]: [text] },
    environment: { node: `v20${text}` },
    classes: Array.from({ length: classes }, (_, k) => `class ${k}${text}`),
    steps: events.filter((event) => event.type === "step"),
    epochs: events.filter((event) => event.type === "epoch"),
    ...(evaluated && { evaluation: { ...evaluated, epoch: epochs - 1 } }),
    pictures: (evaluated?.worst ?? []).map((mistake) => ({ mistake, url: PIXEL, small: true })),
    summary: `Layer${text}`,
    drawing: draw(createModel("nin"), { input: [1, 3, 32, 32], title: `nin${text}` }),
    notes: text === "" ? [] : [text],
  };
}

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

const noPython = pythonSkipReason();

test("no text becomes markup: Python's parser sees the same tags whatever the names are", unless(noPython), () => {
  const script = `
import json, sys
from html.parser import HTMLParser
VOID = {"meta", "img", "br"}
class Tags(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.seen, self.text = [], [], []
    def handle_starttag(self, tag, attributes):
        self.seen.append([tag, sorted(name for name, _ in attributes)])
        if tag not in VOID: self.open.append(tag)
    def handle_startendtag(self, tag, attributes):
        self.seen.append([tag, sorted(name for name, _ in attributes)])
    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()
    def handle_data(self, data):
        self.text.append(data)
out = []
for page in json.load(sys.stdin):
    parser = Tags()
    parser.feed(page)
    parser.close()
    assert not parser.open, parser.open
    out.append({"tags": parser.seen, "text": "".join(parser.text)})
json.dump(out, sys.stdout)`;
  const hostile = [
    `<img src=x onerror="alert(1)">`,
    `</title></style></script><script>alert(1)</script>`,
    `" onmouseover="alert(1)" x='`,
    "&lt;b&gt; &amp;",
    "]]>--><!--",
    // what draws shorten or drop is not looked for below; line breaks are kept by no attribute
    ...fc.sample(fc.string({ unit: fc.constantFrom(..."<>&\"'/=- ab"), minLength: 1 }), 20),
  ];
  const pages = ["plain", ...hostile].map((text) => report(dataOf({ text })));
  const [plain, ...others] = JSON.parse(python(script, { input: JSON.stringify(pages) }));
  for (const [i, { tags, text }] of others.entries()) {
    expect(tags, hostile[i]).toEqual(plain.tags);
    expect(text).toContain(`nin on shapes${hostile[i]}`);
    expect(text).toContain(`class 3${hostile[i]}`);
  }
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

const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";
const noChromium = existsSync(EXECUTABLE) ? undefined : `skipped: there is no ${EXECUTABLE}; set CHROMIUM`;

describe("in Chromium", unless(noChromium), () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: EXECUTABLE, args: ["--no-sandbox", "--disable-gpu"] });
  });
  afterAll(() => browser?.close());

  test.each([360, 800, 1400])(
    "fits a page of %i pixels in both themes, asks for nothing, and text can be read",
    async (width) => {
      for (const [name, options] of Object.entries({
        usual: { epochs: 20 },
        many: { classes: 100, text: " with a name that is longer than any column of any table could ever be" },
        middle: { classes: 20, text: " longer" },
        stopped: { stopAfter: 3 },
      } satisfies Record<string, MadeUp>)) {
        const file = join(folder, `${name}.html`);
        writeFileSync(file, report(dataOf(options)));
        const paper: string[] = [];
        for (const colorScheme of ["light", "dark"] as const) {
          const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
          const heard: string[] = [];
          page.on("console", (message) => heard.push(message.text()));
          page.on("pageerror", (error) => heard.push(error.message));
          page.on("request", (request) => heard.push(request.url()));
          await page.goto(pathToFileURL(file).href);
          expect(heard.filter((url) => !url.startsWith("data:"))).toEqual([pathToFileURL(file).href]);
          const seen = await page.evaluate(() => {
            const { scrollWidth, clientWidth } = document.documentElement;
            const { backgroundColor } = getComputedStyle(document.body);
            const small = [...document.querySelectorAll("main *:not(.drawing *)")]
              .filter((element) =>
                [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent?.trim()),
              )
              .filter((element) => Number.parseFloat(getComputedStyle(element).fontSize) < 11.9)
              .map((element) => element.outerHTML.slice(0, 200));
            return { beyond: scrollWidth - clientWidth, backgroundColor, small };
          });
          expect(seen).toMatchObject({ beyond: 0, small: [] });
          paper.push(seen.backgroundColor);
          await page.close();
        }
        expect(paper).toEqual(["rgb(245, 247, 250)", "rgb(10, 14, 19)"]);
      }
    },
  );

  test("values are shown where the pointer is", async () => {
    const data = dataOf();
    const file = join(folder, "pointer.html");
    writeFileSync(file, report(data));
    const page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
    await page.goto(pathToFileURL(file).href);
    const column = page.locator(".chart").first().locator(".column").nth(1);
    expect(await column.locator(".values").isVisible()).toBe(false);
    await column.hover();
    const { train, validation } = data.epochs[1]!;
    const values = [train.loss, validation!.loss].map((value) => String(Number(value.toPrecision(4))));
    expect(await column.locator(".values").textContent()).toBe(`epoch 2training ${values[0]}validation ${values[1]}`);
    await page.close();
  });
});

test("a page is as small as its pictures allow", () => {
  expect(report(dataOf({ epochs: 100, stepsPerEpoch: 1000 })).length).toBeLessThan(250_000);
});
