/** The network that a weight file belongs to. */
import type { Checkpoint } from "../checkpoint/node/index.ts";
import { createModel, MODELS, type Recognized, recognize } from "../models/index.ts";
import type { ModelFlags } from "./model.ts";
import { print, UsageError } from "./support.ts";

/**
 * The network of a weight file: the one asked for, the one that its metadata record, or the built-in one that it fits. `remedy` says
 * how to name another. The path stored in a weight file is never executed.
 */
export function networkOf(
  from: string,
  { tensors, metadata }: Checkpoint,
  { model, ...flags }: ModelFlags & { readonly model?: string | undefined },
  remedy: string,
): { name: string } & ModelFlags {
  const { variant, numClasses, input } = flags;
  const name = model ?? metadata.architecture;
  const isKnown = (path: string) => Object.hasOwn(MODELS, path) || /\.(onnx|json|keras|h5|hdf5)$/i.test(path);
  if (model === undefined && name !== undefined && !isKnown(name)) {
    throw new UsageError(
      `${from} has weights of ${name}. The path stored in a weight file is never executed; ${remedy}`,
    );
  }
  const known = variant ?? (name === metadata.architecture ? metadata.variant : undefined);
  const fits = recognize(tensors).filter(
    (fit) => (name ?? fit.model) === fit.model && (known ?? fit.variant) === fit.variant,
  );
  const fit = fits.find(({ variant }) => variant === "torchvision") ?? fits[0];
  if (name === undefined && !fit)
    throw new UsageError(`${from} does not record its network, and fits none of the built-in ones; ${remedy}`);
  if (name === undefined) print(`These are weights of ${fit!.model}, variant ${fit!.variant}.`);
  return {
    name: name ?? fit!.model,
    ...(fit && { variant: fit.variant, numClasses: fit.numClasses }),
    ...(fit && fit.inChannels !== 3 && { input: imagesOf(fit, metadata) }),
    ...(variant && { variant }),
    ...(numClasses !== undefined && { numClasses }),
    ...(input && { input }),
  };
}

/** Shape of one image: of the size that the metadata record, else that the network was published for. */
function imagesOf({ model, variant, inChannels }: Recognized, { inputSize }: Checkpoint["metadata"]): number[] {
  const side = Number(inputSize) || createModel(model, { variant }).spec!.inputSize!;
  return [1, inChannels, side, side];
}
