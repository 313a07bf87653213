/** The classifier, with images and networks from files. */
import { decodeFile, decodeImage, type Image } from "../../data/node/index.ts";
import type { TensorData } from "../../graph/index.ts";
import { Module } from "../../nn/index.ts";
import type { Engine } from "../../runtime/index.ts";
import { nodeEngine } from "../../runtime/node/index.ts";
import {
  type Classifier,
  type ClassifierOptions,
  groups,
  type Prediction,
  classifier as plainClassifier,
} from "../classifier.ts";
import { openSource, type SourceOptions } from "./source.ts";

export { openSource, type Source, type SourceOptions, weightFile } from "./source.ts";

/** A file, its bytes, a decoded image, or a tensor [C, H, W] that is preprocessed already. */
export type Picture = string | Uint8Array | Image | TensorData;

/** `weights` is a file here; it is read only for a registered network or an .onnx file. */
export interface FileClassifierOptions extends SourceOptions, Pick<ClassifierOptions, "topk"> {
  /** Default: the processor. */
  readonly engine?: Engine;
}

/**
 * Makes a network classify image files.
 *
 *     const classify = await classifier("vgg16", { weights: "vgg16-397923af.pth" });
 *     const [best] = await classify("samoyed.jpg");
 *     const answers = await classify.all(files); // as batches
 *
 * `source` is a Module, or what `openSource` opens: a run, a weight file, an .onnx file, the name of a network.
 */
export async function classifier(source: string, options?: FileClassifierOptions): Promise<Classifier<Picture>>;
export async function classifier(source: Module, options?: Partial<ClassifierOptions>): Promise<Classifier<Picture>>;
export async function classifier(
  source: string | Module,
  { engine = nodeEngine(), topk, ...options }: FileClassifierOptions | Partial<ClassifierOptions> = {},
): Promise<Classifier<Picture>> {
  const given = { engine, ...(topk !== undefined && { topk }) };
  const opened = source instanceof Module ? undefined : await openSource(source, options as SourceOptions);
  const plain = opened
    ? await plainClassifier(opened.model, {
        weights: opened.weights,
        classes: opened.classes,
        preprocessing: opened.preprocessing,
        ...(opened.task && { task: opened.task }),
        ...given,
      })
    : await plainClassifier(source as Module, { ...(options as Partial<ClassifierOptions>), ...given });
  const decode = { channels: opened?.channels ?? 3 };
  const read = async (picture: Picture) => {
    if (typeof picture === "string") return decodeFile(picture, decode);
    return picture instanceof Uint8Array ? decodeImage(picture, decode) : picture;
  };
  const classify = async (picture: Picture) => plain(await read(picture));
  const all: Classifier<Picture>["all"] = async (pictures, { batchSize = 32 } = {}) => {
    const answers: Prediction[][] = [];
    for await (const images of ahead(groups(pictures, batchSize), (group) => Promise.all(group.map(read))))
      answers.push(...(await plain.all(images, { batchSize })));
    return answers;
  };
  return Object.assign(classify, plain, { all });
}

/** What becomes of each item, in order; that of the next is begun before one is given. */
async function* ahead<T, R>(items: Iterable<T>, begin: (item: T) => Promise<R>): AsyncGenerator<R> {
  let begun: Promise<R> | undefined;
  for (const item of items) {
    const next = begin(item);
    next.catch(() => {}); // thrown when it is its turn
    if (begun) yield await begun;
    begun = next;
  }
  if (begun) yield await begun;
}
