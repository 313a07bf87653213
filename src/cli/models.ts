import { basename } from "node:path";
import { Argument, Command, Option } from "commander";
import { MODELS, type ModelEntry, type ModelName, modelEntry, suggestNetwork } from "../models/index.ts";
import { type PublishedWeights, publishedVersions } from "../pretrained/index.ts";
import { COSTS } from "./costs.ts";
import { grouped, scaled } from "./format.ts";
import { print, printJson, printTable, UsageError } from "./support.ts";

/** What is known of a network in one of its variants. Nothing is built for it. */
function facts(name: string, variant: string) {
  const { inChannels, numClasses, title, paper } = modelEntry(name);
  const [parameters, macs, inputSize] = COSTS[`${name} ${variant}`]!;
  const weights = publishedVersions(name).filter((published) => published.variant === variant);
  const input = [1, inChannels, inputSize, inputSize];
  return { name, variant, input, numClasses, parameters, macs, title, paper, weights: weights.map(summarized) };
}

const summarized = ({ version, url, mebibytes, accuracy, transforms }: PublishedWeights) => ({
  version,
  url,
  mebibytes,
  ...accuracy,
  transforms,
});

const allFacts = (name: string) => modelEntry(name).variants.map((variant) => facts(name, variant));

/** Percent as torchvision states it: one decimal is what a table has room for. */
const rounded = (percent: number | undefined) => percent?.toFixed(1) ?? "";
const imageSize = (input: readonly number[]) => input.slice(1).join("×");

/** A row for each network in its default variant. */
function table(markdown: boolean): string[][] {
  const rows = (Object.keys(MODELS) as ModelName[]).map((name) => {
    const [{ parameters, macs, input, paper }] = allFacts(name) as [ReturnType<typeof facts>];
    const { top1, top5 } = publishedVersions(name).at(-1)?.accuracy ?? {};
    const cite = markdown ? `[${paper.cite}](${paper.url})` : paper.cite;
    const cells = [grouped(parameters), scaled(macs), rounded(top1), rounded(top5), imageSize(input)];
    return [markdown ? `\`${name}\`` : name, ...cells, String(paper.year), cite];
  });
  return [["network", "parameters", "MACs", "top-1", "top-5", "input", "year", "paper"], ...rows];
}

/** One network with its variants, its published weights and commands to try. */
function show(name: string): void {
  const { title, paper, variants } = modelEntry(name);
  print(`${name}: ${title}\n${paper.cite}, “${paper.title}”\n${paper.url}\n`);
  printTable([
    ["variant", "parameters", "MACs", "input"],
    ...allFacts(name).map(({ variant, parameters, macs, input }) => [
      variants.length > 1 && variant === variants[0] ? `${variant} (default)` : variant,
      ...[grouped(parameters), scaled(macs), imageSize(input)],
    ]),
  ]);
  const versions = publishedVersions(name);
  if (versions.length > 0) {
    print(`\nPublished weights (--weights torchvision), top-1 and top-5 in percent of ImageNet's validation images:\n`);
    printTable([
      ["weights", "top-1", "top-5", "MiB", "resized", "crop", "file"],
      ...versions.map((published, i) => {
        const { version, accuracy, mebibytes, url } = published;
        const isDefault = versions.length > 1 && i === versions.length - 1;
        return [
          isDefault ? `${version} (default)` : version,
          ...[String(accuracy.top1), String(accuracy.top5), mebibytes.toFixed(1), ...sizesOf(published)],
          basename(url),
        ];
      }),
    ]);
  }
  print(`\nTry:\n${commandsFor(name, versions).join("\n")}`);
}

/** Shorter side that images are resized to, and side of the crop, in pixels. */
function sizesOf({ transforms }: PublishedWeights): string[] {
  const [{ resize }, { centerCrop }] = transforms as unknown as [
    { resize: { size: number; interpolation: string } },
    { centerCrop: { size: number } },
  ];
  return [resize.interpolation === "bilinear" ? `${resize.size}` : `${resize.size} bicubic`, `${centerCrop.size}`];
}

/** A data set of the kind that a network was published for. */
function dataFor({ numClasses, inChannels }: ModelEntry): string {
  if (inChannels === 1) return "mnist";
  return numClasses === 10 ? "cifar10" : "./photos";
}

function commandsFor(name: string, versions: readonly PublishedWeights[]): string[] {
  const [older, newer] = versions;
  return [
    `  convnets summary ${name}`,
    `  convnets draw ${name} -o ${name}.svg`,
    ...(versions.length > 0
      ? [
          `  convnets classify photo.jpg --model ${name}`,
          `  convnets train ${name} --data ./photos --weights torchvision`,
          ...(newer ? [`  convnets export ${name} --weights torchvision:${older!.version} -o ${name}.onnx`] : []),
        ]
      : [`  convnets train ${name} --data ${dataFor(modelEntry(name))}`]),
  ];
}

const VARIANTS_NOTE = `
Variants (--variant; "convnets models NETWORK" shows a network's, the default first):
  note         as in the study note, a set of lecture notes on VGG, NiN and GoogLeNet in PyTorch
  paper        as published
  torchvision  as in torchvision, whose weights it loads (--weights torchvision)`;

export const command = new Command("models")
  .description(
    "List the available networks: parameters, multiply-accumulates (MACs) per image, and accuracy of the published weights in percent of ImageNet's validation images. With a network, show its variants and weights.",
  )
  .addArgument(new Argument("[network]", "one network, in detail"))
  .option("--json", "as JSON, for programs")
  .addOption(new Option("--markdown", "a Markdown table").conflicts("json"))
  .addHelpText(
    "after",
    `${VARIANTS_NOTE}

Examples:
  convnets models
  convnets models resnet50
  convnets models --json`,
  )
  .action((name: string | undefined, { json, markdown = false }: { json?: boolean; markdown?: boolean }) => {
    if (name !== undefined && !Object.hasOwn(MODELS, name))
      throw new UsageError(`there is no network "${name}"; ${suggestNetwork(name)}`);
    if (json) return printJson((name === undefined ? Object.keys(MODELS) : [name]).flatMap(allFacts));
    if (name !== undefined) return show(name);
    printTable(table(markdown), { markdown });
    if (!markdown) print(VARIANTS_NOTE);
  });
