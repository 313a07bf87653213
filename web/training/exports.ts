/** What a run gives to take home: weights, the network, a report, and the code that makes it. */
import { draw, encodeTorch, exportOnnx, renderText, summarize, VERSION } from "convnets";
import { writeSafetensors } from "convnets/checkpoint";
import type { TensorData } from "convnets/graph";
import type { Module } from "convnets/nn";
import { pytorchSource } from "convnets/onnx";
import { type ReportData, report } from "convnets/report";
import type { Edit } from "../bench/protocol.ts";
import { confusionOf } from "./confusion.ts";
import { openData, partsOf, picturesOf } from "./data.ts";
import { planOf } from "./plan.ts";
import type { Course, ExportedFile, ExportFormat, Trainee } from "./protocol.ts";
import { readBest, readCourse, readPlan, readState } from "./runs.ts";

interface Trained {
  readonly course: Course;
  readonly source: Trainee;
  readonly model: Module;
  readonly input: readonly number[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly config: Readonly<Record<string, unknown>> & { readonly epochs: number };
  readonly weights: ReadonlyMap<string, TensorData>;
}

/** The network of a run with its best weights, or before the first epoch with the last ones. */
async function trained(id: string): Promise<Trained> {
  const { plan, source } = await readPlan(id);
  const course = await readCourse(id);
  const { info, epochs } = course;
  const { model, input, config } = await planOf(source, await openData(plan.data), info.settings);
  const weights = (await readBest(id)) ?? (await readState(id))?.tensors;
  if (!weights) throw new Error("nothing is trained yet: start the training, and pause it after a step");
  model.initialize(config.seed, { keep: true });
  const own = model.stateDict();
  model.loadStateDict(new Map([...own.keys()].map((key) => [key, weights.get(key) ?? own.get(key)!] as const)));
  const isChanged = source.edits !== undefined || info.settings.normalization === false;
  const best = epochs.find(({ epoch }) => epoch === info.best?.epoch);
  const metadata = {
    producer: `convnets ${VERSION}`,
    // with changed layers, the weights are those of another network
    ...(source.kind === "registered" && !isChanged && { architecture: source.name }),
    ...(config.variant && !isChanged && { variant: config.variant }),
    inputSize: String(input[2]),
    inChannels: String(input[1]),
    classes: JSON.stringify(info.classes),
    preprocessing: JSON.stringify(config.transforms.validation),
    ...(best && { epoch: String(best.epoch + 1), top1: String(best.validation.top1) }),
  };
  return { course, source, model, input, metadata, config, weights: model.stateDict() };
}

const stem = ({ info }: Course) => `${info.title.replace(/\.\w+$/, "")}-${info.data}`.replaceAll(/[^\w.-]+/g, "_");

export async function exportRun(id: string, format: ExportFormat): Promise<ExportedFile> {
  const run = await trained(id);
  if (format === "stage") return exportRun(id, run.metadata.architecture ? "safetensors" : "onnx");
  const { course, model, input, metadata, weights } = run;
  const file = (end: string, bytes: Uint8Array): ExportedFile => ({
    name: `${stem(course)}${end}`,
    bytes: bytes as Uint8Array<ArrayBuffer>,
  });
  const text = (content: string) => new TextEncoder().encode(content);
  switch (format) {
    case "safetensors":
      return file(".safetensors", writeSafetensors({ tensors: new Map(weights), metadata }));
    case "pth":
      return file(".pth", await joined(encodeTorch({ tensors: new Map(weights), metadata })));
    case "onnx":
      return file(".onnx", exportOnnx(model, { input: ["N", ...input.slice(1)], metadata }).bytes);
    case "code":
      return file(".ts", text(codeOf(run)));
    case "pytorch":
      return file(".py", text(pytorchOf(run)));
    case "report":
      return { ...file("", text(await reportOf(id, run))), name: `${stem(course)}-report.html` };
  }
}

const joined = async (pieces: Iterable<Uint8Array>) =>
  new Uint8Array(await new Blob([...pieces] as Uint8Array<ArrayBuffer>[]).arrayBuffer());

/** TypeScript that makes the network and loads its weights. */
function codeOf({ course, source, metadata, input, config }: Trained): string {
  const { classes } = course.info;
  const [, channels, side] = input;
  const variant = config.variant as string | undefined;
  const weights = `${stem(course)}.safetensors`;
  const lines =
    source.kind === "file" && source.code !== undefined
      ? writtenCode(source.code, weights)
      : source.kind === "registered" || metadata.architecture
        ? registeredCode(
            metadata.architecture ?? (source as { readonly name: string }).name,
            {
              ...(variant && { variant }),
              ...{ numClasses: classes.length, inChannels: channels!, inputSize: side! },
              ...(course.info.settings.auxiliary === false && { auxLogits: false }),
            },
            { weights, edits: source.edits ?? [], normalized: course.info.settings.normalization !== false },
          )
        : [
            'import { readFile } from "node:fs/promises";',
            'import { onnxModule } from "convnets";',
            "",
            `export const model = onnxModule(await readFile(${JSON.stringify(`${stem(course)}.onnx`)}));`,
          ];
  const transforms = JSON.stringify(JSON.parse(metadata.preprocessing!), null, 2);
  return `${lines.join("\n")}

/** Names of the classes, in the order of the scores. */
export const classes = ${JSON.stringify(classes)};

/** How images become inputs: \`dataLoader(images, { batchSize: 32, transforms })\`. */
export const transforms = ${transforms};
`;
}

const LOAD = (weights: string) => [
  `const { tensors } = await readWeights(await readFile(${JSON.stringify(weights)}));`,
  "model.loadStateDict(tensors);",
];

/** A registered network, with its changed layers. */
function registeredCode(
  name: string,
  options: Readonly<Record<string, string | number | boolean>>,
  { weights, edits, normalized }: { weights: string; edits: readonly Edit[]; normalized: boolean },
): readonly string[] {
  const given = Object.entries(options).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  const changes = new Map<string, string[]>();
  for (const { path, setting, value } of edits)
    changes.set(path, [...(changes.get(path) ?? []), `${setting}: ${value}`]);
  const replaced = [
    ...[...changes].map(
      ([path, settings]) =>
        `replace(${JSON.stringify(path)}, (layer) => layerWith(layer, { ${settings.join(", ")} }));`,
    ),
    ...(normalized ? [] : WITHOUT),
  ];
  const imports = [...(normalized ? [] : ["BatchNorm2d", "Identity"]), ...(edits.length > 0 ? ["layerWith"] : [])];
  return [
    'import { readFile } from "node:fs/promises";',
    'import { createModel, readWeights } from "convnets";',
    ...(imports.length > 0 ? [`import { ${imports.join(", ")} } from "convnets/nn";`] : []),
    "",
    `export const model = createModel(${JSON.stringify(name)}, { ${given.join(", ")} });`,
    ...(replaced.length > 0 ? ["", ...REPLACE, ...replaced, ""] : []),
    ...LOAD(weights),
  ];
}

/** Replaces a layer by another one. */
const REPLACE = [
  "/** Replaces the layer at a path by another one. */",
  "function replace(path: string, by: (layer: ReturnType<typeof layerAt>) => object) {",
  '  const cut = path.lastIndexOf(".");',
  "  Object.assign(layerAt(path.slice(0, Math.max(0, cut))), { [path.slice(cut + 1)]: by(layerAt(path)) });",
  "}",
  "",
  "function layerAt(path: string) {",
  "  return new Map(model.modules()).get(path)!;",
  "}",
  "",
];

/** Leaves batch normalization out. */
const WITHOUT = [
  "for (const [path, layer] of [...model.modules()])",
  "  if (layer instanceof BatchNorm2d) replace(path, () => new Identity());",
];

/** The code of the page, and how its network gets the weights. */
function writtenCode(code: string, weights: string): readonly string[] {
  return [
    "// const model = new Net(); // the network of this file",
    `// const { tensors } = await readWeights(await readFile(${JSON.stringify(weights)}));`,
    "// model.loadStateDict(tensors);",
    "",
    code.trimEnd(),
  ];
}

/** A PyTorch module with the same keys, and how it gets the weights. */
function pytorchOf({ course, model, input }: Trained): string {
  const name = `${stem(course)}.pth`;
  const source = pytorchSource(model, { input: ["N", ...input.slice(1)] });
  const [, type = "Net"] = /^class (\w+)/m.exec(source) ?? [];
  return `${source}

# names of the classes, in the order of the scores
CLASSES = ${JSON.stringify(course.info.classes)}

if __name__ == "__main__":
    net = ${type}()
    net.load_state_dict(torch.load(${JSON.stringify(name)}, weights_only=True))
    net.eval()
`;
}

/** Mistakes that the report shows. */
const WORST = 24;

async function reportOf(id: string, { course, model, input, config }: Trained): Promise<string> {
  const { info, steps, epochs } = course;
  const { plan } = await readPlan(id);
  const { validation } = partsOf(await openData(plan.data), info.settings);
  const last = epochs.at(-1);
  const labels = validation.labels ?? [];
  const worst = Object.entries(last?.sure ?? {})
    .sort(([, a], [, b]) => b - a)
    .slice(0, WORST)
    .map(([sample, sure]) => ({
      ...{ sample: Number(sample), label: labels[Number(sample)]!, predicted: last!.predicted[Number(sample)]! },
      probability: sure / 100,
    }));
  const shown = await picturesOf(
    validation,
    worst.map(({ sample }) => sample),
  );
  const pictures = await Promise.all(
    worst.map(async (mistake, i) => {
      const { width, height, rgba } = shown[i]!;
      const canvas = new OffscreenCanvas(width, height);
      canvas.getContext("2d")!.putImageData(new ImageData(rgba, width, height), 0, 0);
      const bytes = new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
      return { mistake, url: `data:image/png;base64,${base64(bytes)}`, small: Math.max(width, height) <= 64 };
    }),
  );
  const confusion = last && confusionOf(last.predicted, labels, info.classes.length);
  return report({
    title: `${info.title} on ${info.data}`,
    state: STATES[info.state],
    ...(info.problem && { problem: info.problem }),
    time: new Date().toISOString(),
    config,
    environment: { convnets: VERSION, browser: navigator.userAgent, engine: plan.device ?? "chosen by the studio" },
    classes: info.classes,
    steps,
    epochs,
    ...(confusion && { evaluation: { confusion, epoch: last.epoch } }),
    pictures,
    summary: renderText(summarize(model, { input })),
    drawing: draw(model, { input, title: info.title }),
  });
}

const STATES = {
  running: "unfinished",
  paused: "unfinished",
  stopped: "stopped",
  finished: "finished",
  diverged: "diverged",
  failed: "failed",
} as const satisfies Record<string, ReportData["state"]>;

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}
