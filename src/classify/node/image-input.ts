/** Networks that take images in another form than [N, C, H, W], or tell two classes apart by one number. */
import { type Dim, type Graph, product } from "../../graph/index.ts";
import {
  cat,
  labelScores,
  Module,
  mainOutput,
  mainOutputName,
  namedOutputs,
  type Output,
  type Tensor,
} from "../../nn/index.ts";

/** How a network takes images: as they are, with the channels in the last axis, or as flat vectors. */
export interface ImageForm {
  readonly layout: "NCHW" | "NHWC" | "flat";
  readonly channels: number;
  /** Height in pixels; undefined if it is open. */
  readonly height: number | undefined;
  readonly width: number | undefined;
}

/** The form of images that an input of this shape takes; undefined if it takes none. */
export function imageForm(shape: readonly Dim[]): ImageForm | undefined {
  const size = (dim: Dim | undefined) => (typeof dim === "number" ? dim : undefined);
  const [, a, b, c] = shape;
  const isChannels = (dim: Dim | undefined) => dim === 1 || dim === 3;
  if (shape.length === 4 && isChannels(c) && !isChannels(a))
    return { layout: "NHWC", channels: c as number, height: size(a), width: size(b) };
  if (shape.length === 4 && typeof a === "number")
    return { layout: "NCHW", channels: a, height: size(b), width: size(c) };
  if (shape.length !== 2 || typeof a !== "number") return undefined;
  for (const channels of [1, 3]) {
    const side = Math.sqrt(a / channels);
    // a shorter vector is a table's row rather than an image
    if (Number.isInteger(side) && side >= 8) return { layout: "flat", channels, height: side, width: side };
  }
  return undefined;
}

/** A network behind the step that brings images [N, C, H, W] into the form that it takes. */
export class ImageInput extends Module<Output> {
  readonly network: Module;
  readonly #layout: ImageForm["layout"];

  constructor(network: Module, { layout, channels, height, width }: ImageForm) {
    super();
    this.network = network;
    this.#layout = layout;
    if (height !== undefined && height === width)
      Object.assign(this, { spec: { inputSize: height, inChannels: channels } });
  }

  forward(x: Tensor): Output {
    return this.network.call(this.#layout === "NHWC" ? x.permute(0, 2, 3, 1) : x.flatten(1));
  }
}

/** What is done to images before such a network, as a sentence; undefined if nothing is. */
export function formNote(file: string, { layout, channels, height, width }: ImageForm): string | undefined {
  if (layout === "NCHW") return undefined;
  const size = `${height ?? "any"}×${width ?? "any"} pixels and ${channels} channel${channels === 1 ? "" : "s"}`;
  return layout === "NHWC"
    ? `${file} takes images as [N, H, W, C]; images are brought into that form.`
    : `${file} takes vectors of ${channels * height! * width!} numbers; they are taken to be images of ${size}.`;
}

/** Whether a network has one output, a sigmoid, which tells two classes apart. */
export function isYesOrNo(graph: Graph): boolean {
  const main = graph.outputs.get(mainOutputName(graph.outputs.keys()))!;
  return product(main.shape.slice(1)) === 1 && graph.producer(main)?.op === "Sigmoid";
}

/** A network of one sigmoid with a score for each of two classes, whose softmax is that sigmoid. */
export class TwoClasses extends Module<Tensor> {
  readonly network: Module;

  constructor(network: Module) {
    super();
    this.network = network;
    if (network.spec) Object.assign(this, { spec: network.spec });
  }

  forward(x: Tensor): Tensor {
    const score = labelScores(mainOutput(namedOutputs(this.network.call(x))));
    return cat([score.mul(0), score], 1);
  }
}
