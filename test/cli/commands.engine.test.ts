import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { createModel, INCEPTION_WIDTHS, Inception, MODELS, NaiveInception } from "../../src/models/index.ts";
import type { Module } from "../../src/nn/index.ts";
import { renderCsv, renderJson, renderMarkdown, renderText, summarize } from "../../src/summary/index.ts";
import { VERSION } from "../../src/version.ts";
import { CLI, convnets, output } from "./run.ts";

const CIFAR = [1, 3, 32, 32];

describe("summary", () => {
  const nin = summarize(createModel("nin"), { input: CIFAR });

  test("prints the library's table", () => {
    expect(output("summary", "nin")).toBe(`${renderText(nin)}\n`);
  });

  test("takes columns, rows and depth", () => {
    const flags = ["--columns", "mult_adds,receptive_field", "--rows", "var_names,ascii_only", "--depth", "1"];
    const options = {
      columns: ["mult_adds", "receptive_field"],
      rows: ["var_names", "ascii_only"],
      depth: 1,
    } as const;
    expect(output("summary", "nin", ...flags)).toBe(`${renderText(nin, options)}\n`);
    expect(output("summary", "nin", ...flags, "--csv")).toBe(`${renderCsv(nin, options)}\n`);
    expect(output("summary", "nin", ...flags, "--markdown")).toBe(`${renderMarkdown(nin, options)}\n`);
    expect(output("summary", "nin", "--depth", "1", "--json")).toBe(`${renderJson(nin, { depth: 1 })}\n`);
    expect(output("summary", "nin", "--json")).toBe(`${renderJson(nin)}\n`);
  });

  test("builds the network that is asked for", () => {
    const model = createModel("vgg11", { variant: "paper", numClasses: 7, inChannels: 1, inputSize: 64 });
    const expected = renderText(summarize(model, { input: [4, 1, 64, 64] }));
    const flags = ["--variant", "paper", "--num-classes", "7", "--input", "4,1,64,64"];
    expect(output("summary", "vgg11", ...flags)).toBe(`${expected}\n`);
  });

  test("shows the form for training where it is another", () => {
    const outputs = (...flags: string[]) =>
      JSON.parse(output("summary", "googlenet", "--variant", "torchvision", "--json", ...flags)).rows.filter(
        ({ depth, type }: { depth: number; type: string }) => depth === 1 && type === "InceptionAux",
      ).length;
    expect(outputs()).toBe(0);
    expect(outputs("--training")).toBe(2);
  });

  test("of VGG16 allocates no weights: 150 MB at most, within a second of computing", () => {
    // reported by the process itself when it ends; resourceUsage().maxRSS starts with that of the process that spawned it
    const report = `process.on("exit", () => {
      const { maxRSS, ...usage } = process.resourceUsage();
      const { existsSync, readFileSync } = process.getBuiltinModule("fs");
      const status = "/proc/self/status";
      const peak = existsSync(status) ? +/VmHWM:\\s*(\\d+)/.exec(readFileSync(status, "utf8"))[1] : maxRSS;
      process.stderr.write(JSON.stringify({ ...usage, maxRSS: peak }));
    })`;
    const runs = [1, 2, 3].map(() => {
      const { stderr, status } = convnets(["summary", "vgg16"], {
        node: ["--import", `data:text/javascript,${encodeURIComponent(report)}`],
      });
      expect(status).toBe(0);
      return JSON.parse(stderr) as NodeJS.ResourceUsage;
    });
    expect(Math.max(...runs.map(({ maxRSS }) => maxRSS / 1000))).toBeLessThan(150);
    // the quickest: a busy machine slows computing too
    const seconds = runs.map(({ userCPUTime, systemCPUTime }) => (userCPUTime + systemCPUTime) / 1e6);
    expect(Math.min(...seconds)).toBeLessThan(1);
  });
});

describe("models", () => {
  test("lists every network and variant", () => {
    const listed = JSON.parse(output("models", "--json")) as { name: string; variant: string; parameters: number }[];
    expect(listed.map(({ name, variant }) => `${name} ${variant}`)).toEqual(
      Object.entries(MODELS).flatMap(([name, { variants }]) => variants.map((variant) => `${name} ${variant}`)),
    );
    expect(listed.find(({ name }) => name === "vgg16")?.parameters).toBe(138_357_544);
  });

  test("as a table, fits into 120 columns", () => {
    const table = output("models");
    expect(table).toMatch(
      /^vgg16 +138,357,544 +15\.47 G +71\.6 +90\.4 +3×224×224 +2014 +Simonyan and Zisserman 2015$/m,
    );
    expect(table).toMatch(/^lenet5 +61,706 +416\.52 k +1×32×32 +1998 +LeCun et al\. 1998$/m);
    expect(table).toMatch(/^ {2}note +as in the study note, a set of lecture notes/m);
    for (const line of table.split("\n")) expect(line.length).toBeLessThanOrEqual(120);
    expect(output("models", "--markdown")).toContain("[He et al. 2016](https://arxiv.org/abs/1512.03385)");
  });

  test("shows one with its variants, weights and commands", () => {
    const resnet = output("models", "resnet50");
    expect(resnet).toMatch(/^paper +25,557,032 +3\.86 G +3×224×224$/m);
    expect(resnet).toMatch(/^IMAGENET1K_V2 \(default\) +80\.858 +95\.434 +97\.8 +232 +224 +resnet50-11ad3fa6\.pth$/m);
    expect(resnet).toContain("convnets train resnet50 --data ./photos --weights torchvision\n");
    expect(output("models", "resnet20")).toContain("convnets train resnet20 --data cifar10\n");
    expect(output("models", "vgg16")).toContain("convnets train vgg16 --data ./photos --weights torchvision\n");
    expect(convnets(["models", "resnet51"]).stderr).toContain(
      'there is no network "resnet51"; did you mean "resnet50"?',
    );
  });
});

describe("compare", () => {
  test("sets the two Inception blocks side by side", () => {
    const widths = INCEPTION_WIDTHS["3a"];
    const costs = (block: Module) => {
      const { params, macs, activationBytes, weightLayers } = summarize(block, { input: [1, 192, 28, 28] }).totals;
      return { parameters: params, macs, activationBytes, weightLayers };
    };
    const [reduced, naive] = JSON.parse(output("compare", "inception", "naive_inception", "--json"));
    expect(reduced).toMatchObject({ ...costs(new Inception(192, widths)), receptiveField: 5, outputChannels: 256 });
    expect(naive).toMatchObject({ ...costs(new NaiveInception(192, widths)), receptiveField: 5, outputChannels: 416 });
  });

  test("prints ratios of the second to the first", () => {
    expect(output("compare", "vgg16", "googlenet")).toMatch(/^parameters +138,357,544 +13,351,716 +0\.10×$/m);
    expect(output("compare", "vgg16", "googlenet", "--markdown")).toMatch(
      /^\| weight layers deep +\| +16 \| +22 \| +1\.38× \|$/m,
    );
  });
});

test("draw without a file writes SVG to standard output", () => {
  expect(output("draw", "lenet5")).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
});

describe("the command", () => {
  const help = output("--help");
  const commands = [...help.matchAll(/^ {2}([a-z]+) {2,}/gm)]
    .map(([, name]) => name!)
    .filter((name) => name !== "help");

  test("knows its version", () => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    expect(version).toBe(VERSION);
    expect(output("--version")).toBe(`${VERSION}\n`);
  });

  test("lists its commands", () => {
    expect(commands).toEqual(expect.arrayContaining(["summary", "models", "draw", "compare", "train", "eval", "runs"]));
  });

  test.each(commands)("%s has help with examples", (name) => {
    const text = output(name, "--help");
    expect(text).toContain(`Usage: convnets ${name}`);
    expect(text).toMatch(new RegExp(`^Examples:\\n  convnets ${name}`, "m"));
    expect(output("help", name)).toBe(text);
  });

  test.each([
    [[], "Usage: convnets"],
    [["sumary", "vgg16"], "Did you mean summary?"],
    [["summary"], "missing required argument 'model'"],
    [["summary", "vgg61"], 'no network and no file "vgg61"; did you mean "vgg11"?'],
    [["summary", "nin", "--variant", "torchvision"], 'nin has no variant "torchvision"; it has note, paper'],
    [["summary", "inception", "--num-classes", "5"], "inception is a block"],
    [["summary", "nin", "--variant", "mine"], "Allowed choices are note, paper, torchvision"],
    [["summary", "nin", "--columns", "output_size,weight"], 'There is no "weight"; there are input_size'],
    [["summary", "nin", "--input", "1,3,32"], "four sizes N,C,H,W"],
    [["summary", "nin", "--input", "1,3,-32,32"], "four sizes N,C,H,W"],
    [["summary", "nin", "--depth", "two"], "a whole number"],
    [["summary", "nin", "--num-classes", "0"], "above 0"],
    [["summary", "nin", "--json", "--columns", "macs"], "cannot be used with"],
    [["summary", "nin", "--markdown", "--csv"], "cannot be used with"],
  ])("is asked wrongly by %j: exit code 2", (args, message) => {
    const { stdout, stderr, status } = convnets(args);
    expect({ stdout, status }).toEqual({ stdout: "", status: 2 });
    expect(stderr.replace(/\s+/g, " ")).toContain(message);
  });

  test("fails with the message alone, and exit code 1; with the stack where it is asked for", () => {
    const args = ["summary", "nin", "--input", "1,3,64,64"];
    const { stderr, status } = convnets(args);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: NiN: takes images of 31 to 34 pixels a side, but got 64×64;.*\n$/);
    expect(convnets(args, { env: { CONVNETS_DEBUG: "1" } }).stderr).toMatch(/^ {4}at NoteNiN\.forward /m);
  });

  test.skipIf(process.platform === "win32")("ends quietly when its reader has seen enough", () => {
    const line = `set -o pipefail; '${process.execPath}' '${CLI}' summary googlenet --json | head -n 1`;
    const { stdout, stderr, status } = spawnSync("bash", ["-c", line], { encoding: "utf8" });
    expect({ stdout, stderr, status }).toEqual({ stdout: "{\n", stderr: "", status: 0 });
  });
});
