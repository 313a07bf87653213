import { check, fitKeys, type Shape, type TensorData } from "../graph/index.ts";
import { type Module, ModuleBuffer } from "../nn/index.ts";
import { lastLayers } from "./last-layers.ts";

/** Whether a module keeps statistics of batches, as batch normalization does; parts of imported networks do, too. */
const hasStatistics = (module: Module): boolean => Object.values(module).some((own) => own instanceof ModuleBuffer);

/** What `freeze` takes for everything before the last layer. */
const BACKBONE = "backbone";

/**
 * Freezes the parameters whose keys start with one of these prefixes. Batch normalization in a frozen part keeps its statistics.
 *
 *     freeze(model, "features");
 *     freeze(model, "backbone", ["N", 3, 224, 224]); // all but the last layer, and the last layers of auxiliary classifiers
 *
 * `input`, the shape of a batch of images, is needed for "backbone". Throws if no parameter has such a prefix.
 */
export function freeze(model: Module, prefixes: string | readonly string[], input?: Shape): void {
  const keys = [...model.parameters()].map(([key]) => key);
  const below = (path: string, prefix: string) =>
    path === prefix || path.startsWith(prefix.endsWith(".") ? prefix : `${prefix}.`);
  for (const prefix of typeof prefixes === "string" ? [prefixes] : prefixes) {
    let isFrozen = (path: string) => below(path, prefix);
    if (prefix === BACKBONE && !keys.some(isFrozen)) {
      check(
        input,
        () => 'freeze: "backbone" needs the shape of the images: freeze(model, "backbone", ["N", 3, 224, 224])',
      );
      const heads = lastLayers(model, input);
      isFrozen = (path) => !heads.some((head) => below(path, head));
    }
    check(keys.some(isFrozen), () => `freeze: no parameter starts with "${prefix}"; the keys look like "${keys[0]}"`);
    for (const [key, parameter] of model.parameters()) if (isFrozen(key)) parameter.requiresGrad = false;
    for (const [path, module] of model.modules()) if (isFrozen(path) && hasStatistics(module)) module.training = false;
  }
}

/**
 * Loads weights for fine-tuning. Weights that differ only in their first axis, as those of the last layer do for another number of
 * classes, are not loaded: they stay as initialized. Returns their keys. Throws for everything else that does not fit.
 *
 *     const fresh = loadForFineTuning(createModel("vgg16", { numClasses: 5 }), weights); // ["clf_part.6.weight", "clf_part.6.bias"]
 */
export function loadForFineTuning(model: Module, given: ReadonlyMap<string, TensorData>): string[] {
  const shapes = model.stateShapes();
  const { weights } = fitKeys(given, shapes);
  const kept = [...shapes].flatMap(([key, shape]) => {
    const found = weights.get(key)?.shape;
    const isHead =
      found?.length === shape.length && found[0] !== shape[0] && found.slice(1).join() === shape.slice(1).join();
    return isHead ? [key] : [];
  });
  const own = model.stateDict();
  model.loadStateDict(new Map([...weights, ...kept.map((key) => [key, own.get(key)!] as const)]));
  return kept;
}
