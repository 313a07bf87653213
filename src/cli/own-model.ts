/** Networks of the user's own, for weights that they trained. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { SourceOptions } from "../classify/node/index.ts";
import { MODELS } from "../models/index.ts";
import { RUN_FILES, readConfig } from "../runs/node/index.ts";
import { loadModel } from "./model.ts";

/**
 * How to make the network that weights are of, where it is none of ours: from the file that is named, or that the run in this
 * folder was begun with. A weight file alone is not believed, since the file that it names would be executed.
 */
export async function makerFor(named: string | undefined, weights: string): Promise<SourceOptions["makeModel"]> {
  const isRun = existsSync(join(weights, RUN_FILES.config));
  const name = named ?? (isRun ? (await readConfig(weights)).model : undefined);
  if (name === undefined || Object.hasOwn(MODELS, name) || /\.onnx$/i.test(name)) return undefined;
  return async (options) => (await loadModel(name, { ...options, finished: true })).model;
}
