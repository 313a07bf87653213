import { commonPrefixes } from "../graph/index.ts";
import type { Module } from "../nn/index.ts";
import type { ModelOptions, Variant } from "./options.ts";
import { createModel, MODELS, type ModelName, modelEntry } from "./registry.ts";

/** A registered network in one of its variants. */
export interface Recognized {
  readonly model: ModelName;
  readonly variant: Variant;
  readonly numClasses: number;
  readonly inChannels: number;
  /** What stands before every key, such as `module.` or `net.`; absent if nothing does. */
  readonly removed?: string;
}

type Shapes = ReadonlyMap<string, { readonly shape: readonly number[] }>;

/**
 * The registered networks whose weights have exactly these keys and shapes, whatever their classes and channels. There may be
 * several: variants that differ in no weight. Counts of batches may be missing, and every key may have a prefix, as `loadStateDict`
 * allows.
 */
export function recognize(tensors: Shapes): Recognized[] {
  for (const prefix of commonPrefixes(tensors.keys())) {
    const found = recognizeBelow(new Map([...tensors].map(([key, { shape }]) => [key.slice(prefix.length), shape])));
    if (found.length > 0) return prefix === "" ? found : found.map((network) => ({ ...network, removed: prefix }));
  }
  return [];
}

function recognizeBelow(given: ReadonlyMap<string, readonly number[]>): Recognized[] {
  const found: Recognized[] = [];
  for (const model of Object.keys(MODELS) as ModelName[]) {
    for (const variant of modelEntry(model).variants) {
      const published = publishedShapes(model, variant);
      if (!sameKeys(published, given)) continue;
      const { numClasses, inChannels } = modelEntry(model);
      const options = {
        numClasses: sizeInsteadOf(numClasses, 0, published, given) ?? numClasses,
        inChannels: sizeInsteadOf(inChannels, 1, published, given) ?? inChannels,
      };
      const actual = shapesOf(model, { ...options, variant });
      if (actual && sameShapes(actual, given)) found.push({ model, variant, ...options });
    }
  }
  return found;
}

/** Shapes of the networks that were built to compare with; they take a second together. */
const built = new Map<string, ReturnType<Module["stateShapes"]>>();

function publishedShapes(model: ModelName, variant: Variant): ReturnType<Module["stateShapes"]> {
  const key = `${model} ${variant}`;
  const shapes = built.get(key) ?? createModel(model, { variant }).stateShapes();
  built.set(key, shapes);
  return shapes;
}

/** Undefined where the network cannot be built so. */
function shapesOf(model: ModelName, options: ModelOptions): ReturnType<Module["stateShapes"]> | undefined {
  try {
    return createModel(model, options).stateShapes();
  } catch {
    return undefined;
  }
}

const isCount = (key: string) => /(^|\.)num_batches_tracked$/.test(key);

function sameKeys(wanted: ReadonlyMap<string, unknown>, given: ReadonlyMap<string, unknown>): boolean {
  return (
    [...given.keys()].every((key) => wanted.has(key)) &&
    [...wanted.keys()].every((key) => given.has(key) || isCount(key))
  );
}

function sameShapes(
  wanted: ReadonlyMap<string, readonly number[]>,
  given: ReadonlyMap<string, readonly number[]>,
): boolean {
  return [...given].every(([key, shape]) => String(wanted.get(key)) === String(shape));
}

/** What stands in the place of a size on this axis, at the first weight where it is another. */
function sizeInsteadOf(
  size: number,
  axis: number,
  wanted: ReadonlyMap<string, readonly number[]>,
  given: ReadonlyMap<string, readonly number[]>,
): number | undefined {
  for (const [key, shape] of wanted) {
    const actual = given.get(key)?.[axis];
    if (shape[axis] === size && actual !== undefined && actual !== size) return actual;
  }
  return undefined;
}
