/** The classifier with pictures and networks out of files. */
import { decodeFile, decodeImage, type Image } from "../../data/node/index.ts";
import type { TensorData } from "../../graph/index.ts";
import { Module } from "../../nn/index.ts";
import type { Engine } from "../../runtime/index.ts";
import { nodeEngine } from "../../runtime/node/index.ts";
import { type Classifier, type ClassifierOptions, classifier as plainClassifier } from "../classifier.ts";
import { openSource, type SourceOptions } from "./source.ts";

export { openSource, type Source, type SourceOptions } from "./source.ts";

/** A file, its bytes, a decoded picture, or a tensor [C, H, W] that is prepared already. */
export type Picture = string | Uint8Array | Image | TensorData;

/** `weights` is a file here, and is read only for a registered network or an .onnx file. */
export interface FileClassifierOptions extends SourceOptions, Pick<ClassifierOptions, "topk"> {
  /** Default: the processor. */
  readonly engine?: Engine;
}

/**
 * Makes a network classify pictures, from files.
 *
 *     const classify = await classifier("vgg16", { weights: "vgg16-397923af.pth" });
 *     const [best] = await classify("samoyed.jpg");
 *
 * What a source can be, `openSource` says.
 */
export async function classifier(source: string, options?: FileClassifierOptions): Promise<Classifier<Picture>>;
export async function classifier(source: Module, options?: Partial<ClassifierOptions>): Promise<Classifier<Picture>>;
export async function classifier(
  source: string | Module,
  { engine = nodeEngine(), topk, ...options }: FileClassifierOptions | Partial<ClassifierOptions> = {},
): Promise<Classifier<Picture>> {
  const given = { engine, ...(topk !== undefined && { topk }) };
  const opened = source instanceof Module ? undefined : await openSource(source, options as SourceOptions);
  const plain = await plainClassifier(opened?.model ?? (source as Module), {
    ...(opened ?? (options as Partial<ClassifierOptions>)),
    ...given,
  });
  const decode = { channels: opened?.channels ?? 3 };
  const classify = async (picture: Picture) => {
    if (typeof picture === "string") return plain(await decodeFile(picture, decode));
    return plain(picture instanceof Uint8Array ? await decodeImage(picture, decode) : picture);
  };
  return Object.assign(classify, plain);
}
