/** Everything of index.ts, and the files: downloaded once, checked, kept in a cache. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { DataError } from "../../data/index.ts";
import { cacheFolder, DownloadError, type DownloadProgress, download, mismatch } from "../../data/node/index.ts";
import { type PublishedWeights, publishedWeights } from "../registry.ts";

/** Options of `pretrained`. */
export interface PretrainedOptions {
  /** Where files are stored. Default: `convnets/weights` in the user's cache folder, as `XDG_CACHE_HOME` says. */
  readonly cacheDir?: string | undefined;
  /** A mirror that has the files under their names. Default: $CONVNETS_WEIGHTS_URL, else where they are published. */
  readonly baseUrl?: string | undefined;
  /** `false`: never download. */
  readonly download?: boolean | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Path of the file with a network's published weights, whose SHA-256 begins as it should: that in our cache or in torch.hub's,
 * else it is downloaded, going on where an earlier try broke off.
 *
 *     const { tensors } = await readCheckpoint(await pretrained("vgg16"));
 *     const model = createModel("vgg16", { variant: "torchvision" }).loadStateDict(tensors);
 */
export async function pretrained(weights: string | PublishedWeights, options: PretrainedOptions = {}): Promise<string> {
  const { url, sha256 } = typeof weights === "string" ? publishedWeights(weights) : weights;
  const { cacheDir = cacheFolder("weights"), baseUrl = process.env.CONVNETS_WEIGHTS_URL } = options;
  const name = basename(new URL(url).pathname);
  const file = join(cacheDir, name);
  const source = baseUrl ? `${baseUrl.replace(/\/+$/, "")}/${name}` : url;
  if (existsSync(file)) {
    const problem = await mismatch(file, { sha256 });
    if (problem === undefined) return file;
    throw new DataError(`this is not the file that ${source} has: ${problem}; remove it to download it again`, {
      file,
    });
  }
  const hub = join(torchHub(), "checkpoints", name);
  if (existsSync(hub) && (await mismatch(hub, { sha256 })) === undefined) return hub;
  try {
    if (options.download === false) throw new DownloadError("downloads are switched off", { file });
    await download(source, file, { sha256, onProgress: options.onProgress, signal: options.signal });
  } catch (error) {
    if (!(error instanceof DownloadError)) throw error;
    throw new DownloadError(
      `${error.reason}\nGet the file on another machine or later from\n  ${url}\nand put it as it is into ${cacheDir}`,
      { file, cause: error, offline: error.offline },
    );
  }
  return file;
}

/** Where PyTorch keeps what it downloads, by the rule of torch.hub.get_dir. */
function torchHub({ TORCH_HOME, XDG_CACHE_HOME } = process.env): string {
  return join(TORCH_HOME || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "torch"), "hub");
}
