/** Draws the networks of the documents into docs/img: `npm run images`. */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type DrawOptions, draw, drawDiff } from "../src/draw/index.ts";
import { createModel, Inception, MODELS, type ModelName, NaiveInception } from "../src/models/index.ts";

const WIDTHS = [64, 96, 128, 16, 32, 32] as const;
const MAPS = [1, 192, 28, 28];

function network(name: ModelName, options: Omit<DrawOptions, "input"> = {}): string {
  const model = createModel(name);
  const { inputSize } = MODELS[name];
  return draw(model, { input: [1, model.spec?.inChannels ?? 3, inputSize, inputSize], ...options });
}

/** Each image of the documents, by the name of its file. */
export const IMAGES: Readonly<Record<string, () => string>> = {
  "lenet5.svg": () => network("lenet5", { title: "LeNet-5" }),
  "alexnet.svg": () => network("alexnet"),
  "vgg16.svg": () => network("vgg16"),
  "nin.svg": () => network("nin"),
  "googlenet.svg": () => network("googlenet", { level: "block" }),
  "googlenet-layers.svg": () => network("googlenet"),
  "inception.svg": () => draw(new Inception(192, WIDTHS), { input: MAPS, title: "Inception 3a" }),
  "naive_inception.svg": () =>
    draw(new NaiveInception(192, WIDTHS), { input: MAPS, title: "Inception 3a without reductions" }),
  "inception-diff.svg": () =>
    drawDiff(new NaiveInception(192, WIDTHS), new Inception(192, WIDTHS), {
      input: MAPS,
      names: ["Without reductions", "Inception 3a"],
    }),
  "inception_v3.svg": () => network("inception_v3", { level: "block", title: "Inception V3" }),
  "resnet18.svg": () => network("resnet18", { title: "ResNet-18" }),
  "densenet121.svg": () => network("densenet121", { level: "block", title: "DenseNet-121" }),
  "squeezenet1_1.svg": () => network("squeezenet1_1", { level: "block", title: "SqueezeNet 1.1" }),
  "mobilenet_v2.svg": () => network("mobilenet_v2", { level: "block" }),
  "shufflenet_v2_x1_0.svg": () => network("shufflenet_v2_x1_0", { level: "block" }),
  "mobilenet_v3_large.svg": () => network("mobilenet_v3_large", { level: "block", title: "MobileNetV3 large" }),
  "efficientnet_b0.svg": () => network("efficientnet_b0", { level: "block", title: "EfficientNet-B0" }),
};

export const imagePath = (name: string): string => fileURLToPath(new URL(`../docs/img/${name}`, import.meta.url));

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const [name, make] of Object.entries(IMAGES)) writeFileSync(imagePath(name), make());
