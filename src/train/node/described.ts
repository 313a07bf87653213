import { type Checkpoint, CheckpointError } from "../../checkpoint/node.ts";
import { parseTransforms, type Transform } from "../../data/node.ts";
import { createModel, type Variant } from "../../models/index.ts";
import type { Module } from "../../nn/index.ts";

/** Weights that say what they are of, made ready to use. */
export interface DescribedModel {
  readonly model: Module;
  readonly weights: Checkpoint["tensors"];
  readonly classes: readonly string[];
  readonly preprocessing: readonly Transform[];
}

/** Builds the network that a weight file's metadata describes and loads the weights. Throws, naming the file, where it does not fit. */
export function modelOfWeights(file: string, { tensors, metadata }: Checkpoint): DescribedModel {
  const { architecture, variant, inputSize, inChannels, classes, preprocessing } = metadata;
  if (architecture === undefined || classes === undefined || preprocessing === undefined) {
    throw new CheckpointError(
      `${file} does not say which network, classes and preprocessing it is of; "convnets train" writes files that do`,
    );
  }
  try {
    const names = JSON.parse(classes) as string[];
    const model = createModel(architecture, {
      numClasses: names.length,
      ...(variant !== undefined && { variant: variant as Variant }),
      ...(inputSize !== undefined && { inputSize: Number(inputSize) }),
      ...(inChannels !== undefined && { inChannels: Number(inChannels) }),
    });
    model.loadStateDict(tensors);
    return { model, weights: tensors, classes: names, preprocessing: parseTransforms(JSON.parse(preprocessing)) };
  } catch (error) {
    throw new CheckpointError(`${file}: ${(error as Error).message}`, { cause: error });
  }
}
