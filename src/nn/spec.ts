/** What a network says about itself, so that nothing else has to know it by name. */

/** Mean and standard deviation per channel of pixels from 0 to 1; a network takes (pixel − mean) / std. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** How a network is best trained from scratch. What is left out is chosen by image size and data set. */
export interface TrainingHints {
  /** Peak learning rate of SGD with Nesterov momentum 0.9. */
  readonly lr: number;
  /** Default 5e-4. */
  readonly weightDecay?: number;
  /** Largest norm of all gradients together. Default: no limit. */
  readonly clipNorm?: number;
  readonly batchSize?: number;
  /** Initial weights: `"network"` (as each layer says, the default) or normal by fan (He et al. 2015). */
  readonly init?: "network" | "kaiming_fan_in" | "kaiming_fan_out";
  /** How the learning rate falls. Default `{ name: "cosine" }`. */
  readonly schedule?: { readonly name: "cosine" } | { readonly name: "polynomial"; readonly power: number };
  /** What changes for images of 96×96 pixels and more. */
  readonly large?: Partial<Omit<TrainingHints, "large">>;
}

/**
 * A network's description of itself. Every field may be left out.
 *
 *     class MyNet extends Module {
 *       override readonly spec: ModelSpec = { inputSize: 64, auxiliary: { early: 0.3 } };
 *     }
 */
export interface ModelSpec {
  /** Height and width in pixels of the images it is made for. */
  readonly inputSize?: number;
  /** The smallest side in pixels worth training at; smaller images are enlarged to it. Default: `inputSize`. */
  readonly minInputSize?: number;
  /** Channels of the images. Default 3. */
  readonly inChannels?: number;
  /** How its weights expect images to be normalized, if no file that comes with them says so. Default: ImageNet's. */
  readonly normalization?: Normalization;
  /** Names of the classes, in the order of the scores. */
  readonly classes?: readonly string[];
  /**
   * Outputs that only help training, with their weight in the loss; every other output has weight 1. Exported networks leave
   * them out. Default: outputs whose names begin with `aux`, with weight 0.3 (Szegedy et al. 2015, section 5).
   */
  readonly auxiliary?: Readonly<Record<string, number>>;
  /** Paths of the layers that give the scores, such as `["fc"]`. Default: for each output, the nearest layer with weights. */
  readonly lastLayers?: readonly string[];
  readonly training?: TrainingHints;
}

/** Weight in the loss of an output that only helps training; undefined for an output that is used. */
export function auxiliaryWeight(spec: ModelSpec | undefined, output: string): number | undefined {
  const { auxiliary } = spec ?? {};
  if (auxiliary) return Object.hasOwn(auxiliary, output) ? auxiliary[output] : undefined;
  return output.startsWith("aux") ? 0.3 : undefined;
}
