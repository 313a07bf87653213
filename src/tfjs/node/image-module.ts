/** Imported networks that take images in another form than [N, C, H, W]. */
import type { Dim, Shape } from "../../graph/index.ts";
import type { Output, Tensor } from "../../nn/index.ts";
import { type OnnxModel, OnnxModule, type OnnxModuleOptions } from "../../onnx/node/index.ts";

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

/** An imported network for images [N, C, H, W], which brings them into the form that its file takes. Keys of weights are the file's. */
export class ImageModule extends OnnxModule {
  readonly #form: ImageForm;

  constructor(read: OnnxModel, form: ImageForm, options?: OnnxModuleOptions) {
    super(read, options);
    this.#form = form;
    const { channels, height, width } = form;
    const spec = height !== undefined && height === width ? { inputSize: height, inChannels: channels } : undefined;
    Object.assign(this, { spec });
  }

  override get inputs(): ReadonlyMap<string, Shape> {
    const { channels, height = "height", width = "width" } = this.#form;
    return new Map([...super.inputs].map(([name, [batch]]) => [name, [batch!, channels, height, width]]));
  }

  override forward(...[x, ...rest]: [Tensor, ...Tensor[]]): Output {
    return super.forward(this.#form.layout === "NHWC" ? x.permute(0, 2, 3, 1) : x.flatten(1), ...rest);
  }
}

/** The network as a module for images, if it has one input; as it is for any other. */
export function imageModule(read: OnnxModel, options?: OnnxModuleOptions): OnnxModule {
  const { inputs } = read.graph;
  const form = inputs.length === 1 ? imageForm(inputs[0]!.shape) : undefined;
  return form === undefined || form.layout === "NCHW"
    ? new OnnxModule(read, options)
    : new ImageModule(read, form, options);
}
