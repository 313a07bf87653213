/** Networks with their weights, for the commands that compute with them. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { openSource, type Source, type SourceOptions } from "../classify/node/index.ts";
import { MODELS, suggestNetwork, type Variant } from "../models/index.ts";
import { isImported } from "../tfjs/node/index.ts";
import { downloadBar } from "./download.ts";
import { isNetworkFile, isPublished, isThere, loadModel, resolveWeights } from "./model.ts";
import { UsageError } from "./support.ts";

/** What a command that takes a network with its weights says about it in its help. */
export const NETWORK_HELP =
  "a run's folder (its best weights), weights written by train, an .onnx file, a model of TensorFlow.js (model.json) or Keras (.keras, .h5), or, with --weights, the name of a network or net.js";

export interface NetworkFlags extends Pick<SourceOptions, "classes" | "download" | "key" | "rename" | "rawOutputs"> {
  /** The network that the weights belong to, if they do not record it. */
  readonly model?: string | undefined;
  readonly weights?: string | undefined;
  readonly variant?: Variant | undefined;
}

/** Whether a folder is that of a run. */
export const isRun = (path: string): boolean => existsSync(join(path, "config.json"));

const isNetwork = (target: string) => Object.hasOwn(MODELS, target) || isNetworkFile(target) || isImported(target);

/** Throws a UsageError if there is no such network, run or file, or no such weights, before anything else that may be missing. */
export function checkThere(target: string, weights?: string): void {
  if (!Object.hasOwn(MODELS, target) && !existsSync(target) && !isThere(target))
    throw new UsageError(`there is no run, weight file or network ${target}; ${suggestNetwork(target)}`);
  if (weights !== undefined && !isPublished(weights) && !existsSync(weights))
    throw new UsageError(`there is no weight file ${weights}`);
}

/**
 * A network with its weights: `target` is a network, with its weights in `flags.weights`, or weights, with their network in
 * `flags.model`, in the run's config or in the file itself. The path stored in a weight file is never executed.
 */
export async function openNetwork(target: string, flags: NetworkFlags = {}): Promise<Source> {
  const { model } = flags;
  checkThere(target);
  if (isNetwork(target)) {
    if (model !== undefined)
      throw new UsageError(`--model names the network that weights belong to, but ${target} is a network itself`);
    return withWeights(target, flags.weights, flags);
  }
  const network = model ?? (isRun(target) ? await networkOf(target) : undefined);
  if (flags.weights !== undefined && network === undefined)
    throw new UsageError(`--weights goes with a network, but ${target} is not one`);
  if (network !== undefined && !isNetwork(network))
    throw new UsageError(`there is no network ${network}; ${suggestNetwork(network)}`);
  // a run records all that is known of a built-in network
  if (model === undefined && flags.weights === undefined && !(network && isNetworkFile(network)))
    return openSource(target, options(flags));
  return withWeights(network!, flags.weights ?? target, flags);
}

/** The network of a run. What reads a run is large, and loaded only here. */
async function networkOf(run: string): Promise<string> {
  const { readConfig } = await import("../runs/node/index.ts");
  return (await readConfig(run)).model;
}

const options = ({ variant, classes, download, key, rename, rawOutputs }: NetworkFlags): SourceOptions => ({
  variant,
  classes,
  download,
  key,
  rename,
  rawOutputs,
});

async function withWeights(network: string, weights: string | undefined, flags: NetworkFlags): Promise<Source> {
  if (isImported(network)) {
    if (flags.variant !== undefined) throw new UsageError(`${network} has no variants`);
    return openSource(network, { ...options(flags), weights });
  }
  if (Object.hasOwn(MODELS, network)) {
    if (weights === undefined)
      throw new UsageError(`${network} needs weights: --weights with a weight file, a run's folder, or torchvision`);
    const bar = downloadBar(process.stderr);
    const { file, published } = await resolveWeights(network, weights, flags);
    const variant = published?.variant ?? flags.variant;
    return openSource(network, { ...options(flags), weights: file, variant, onProgress: bar.show }).finally(bar.close);
  }
  if (flags.variant !== undefined && !isNetworkFile(network)) throw new UsageError(`${network} has no variants`);
  const { variant } = flags;
  const makeModel: SourceOptions["makeModel"] = async (made) =>
    (await loadModel(network, { ...made, ...(variant && { variant }), finished: true })).model;
  if (weights !== undefined)
    return openSource((await resolveWeights(network, weights)).file, { ...options(flags), makeModel });
  throw new UsageError(`${network} needs weights: --weights with a weight file or a run's folder`);
}
