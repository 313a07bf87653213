/** Networks that take images in another form than [N, C, H, W], or tell two classes apart by one number. */
import { type Graph, product } from "../../graph/index.ts";
import { cat, labelScores, Module, mainOutput, mainOutputName, namedOutputs, type Tensor } from "../../nn/index.ts";
import type { ImageForm } from "../../tfjs/node/index.ts";

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
