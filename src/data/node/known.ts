/** Data sets known by name: where they are published, their checksums, and their download. */
import { createReadStream, existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { unpackTar } from "modern-tar/fs";
import { DataError } from "../errors.ts";
import { cacheFolder, type Variables } from "./cache.ts";
import { type Checksums, DownloadError, type DownloadProgress, download, mismatch } from "./download.ts";
import { reasonOf } from "./files.ts";

/** A published file. An archive (.tar.gz) is unpacked without its outermost folder. */
export interface PublishedFile extends Checksums {
  readonly url: string;
}

export interface KnownSet {
  /** Folders in the data folder that may hold it already; the first is where it is saved. */
  readonly folders: readonly string[];
  /** Files or folders that a complete data set has. */
  readonly needed: readonly string[];
  readonly published: readonly PublishedFile[];
}

/** MNIST, and data sets with the same files. */
function idxSet(folders: readonly string[], base: string, files: Readonly<Record<string, Checksums>>): KnownSet {
  const published = Object.entries(files).map(([name, checksums]) => ({ url: `${base}/${name}`, ...checksums }));
  return { folders, needed: Object.keys(files), published };
}

export const KNOWN_SETS = {
  cifar10: {
    folders: ["cifar-10-batches-bin"],
    needed: [...[1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`), "test_batch.bin"],
    published: [
      {
        url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        size: 170_052_171,
        md5: "c32a1d4ab5d03f1284b67883e8d87530",
        sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
      },
    ],
  },
  cifar100: {
    folders: ["cifar-100-binary"],
    needed: ["train.bin", "test.bin", "fine_label_names.txt"],
    published: [
      {
        url: "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        size: 168_513_733,
        md5: "03b5dce01913d631647c71ecec9e9cb8",
        sha256: "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
      },
    ],
  },
  mnist: idxSet(["mnist", "MNIST/raw"], "https://ossci-datasets.s3.amazonaws.com/mnist", {
    "train-images-idx3-ubyte.gz": { sha256: "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609" },
    "train-labels-idx1-ubyte.gz": { sha256: "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c" },
    "t10k-images-idx3-ubyte.gz": { sha256: "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6" },
    "t10k-labels-idx1-ubyte.gz": { sha256: "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6" },
  }),
  "fashion-mnist": idxSet(
    ["fashion-mnist", "FashionMNIST/raw"],
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    {
      "train-images-idx3-ubyte.gz": { sha256: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84" },
      "train-labels-idx1-ubyte.gz": { sha256: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845" },
      "t10k-images-idx3-ubyte.gz": { sha256: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073" },
      "t10k-labels-idx1-ubyte.gz": { sha256: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5" },
    },
  ),
  /** Ten ImageNet classes, shorter side 160 pixels: a small ImageFolder. */
  imagenette: {
    folders: ["imagenette2-160"],
    needed: ["train", "val"],
    published: [
      {
        url: "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz",
        md5: "e793b78cc4c9e9a4ccc0c1155377a412",
      },
    ],
  },
} as const satisfies Record<string, KnownSet>;

/** Where data sets are stored: $CONVNETS_DATA, else `convnets/data` in the user's cache folder. */
export function defaultDataDir(env: Variables = process.env): string {
  return env.CONVNETS_DATA || cacheFolder("data", env);
}

export interface FetchOptions {
  readonly dataDir?: string | undefined;
  /** `false` never goes to the network. */
  readonly download?: boolean | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The folder of a known data set. Downloads and unpacks what is missing. Throws a DownloadError if that is not possible. */
export async function fetchSet(name: string, set: KnownSet, options: FetchOptions = {}): Promise<string> {
  const { dataDir = defaultDataDir(), download: mayDownload = true } = options;
  const present = set.folders.map((folder) => join(dataDir, folder)).find((folder) => isComplete(folder, set));
  if (present) return present;
  const folder = join(dataDir, set.folders[0]!);
  for (const published of set.published) {
    const isArchive = /\.(tar\.gz|tgz)$/.test(published.url);
    const file = join(isArchive ? dataDir : folder, basename(published.url));
    try {
      await obtain(file, published, mayDownload, options);
      if (isArchive) await unpack(file, folder);
    } catch (error) {
      if (error instanceof DownloadError) throw missing(name, set, dataDir, error);
      throw error;
    }
  }
  if (!isComplete(folder, set)) {
    const absent = set.needed.filter((file) => !existsSync(join(folder, file)));
    throw new DataError(`${name} is incomplete: there is no ${absent.join(", no ")}`, { file: folder });
  }
  return folder;
}

function isComplete(folder: string, { needed }: KnownSet): boolean {
  return needed.every((file) => existsSync(join(folder, file)) || existsSync(join(folder, file.replace(/\.gz$/, ""))));
}

/** The published file on disk. An existing file is checked as well. */
async function obtain(
  file: string,
  published: PublishedFile,
  mayDownload: boolean,
  options: FetchOptions,
): Promise<void> {
  if (existsSync(file)) {
    const problem = await mismatch(file, published);
    if (problem === undefined) return;
    throw new DataError(`this is not the file that ${published.url} has: ${problem}; remove it to download it again`, {
      file,
    });
  }
  if (!mayDownload) throw new DownloadError("it is missing, and downloads are switched off", { file });
  await download(published.url, file, { ...published, onProgress: options.onProgress, signal: options.signal });
}

function missing(name: string, set: KnownSet, dataDir: string, error: DownloadError): DownloadError {
  const urls = set.published.map(({ url }) => url).join("\n  ");
  const archive = set.published.some(({ url }) => /\.(tar\.gz|tgz)$/.test(url));
  const folder = join(dataDir, set.folders[0]!);
  const remedy = archive
    ? `put the file into ${dataDir} as it is, or its contents into ${folder} (${set.needed.join(", ")})`
    : `put the files into ${folder} (${set.needed.join(", ")})`;
  return new DownloadError(
    `${name} is not in ${dataDir}: ${error.reason}\nGet it on another machine or later from\n  ${urls}\nand ${remedy}`,
    { file: error.file!, cause: error, offline: error.offline },
  );
}

/** Unpacks into a temporary folder, so that the final one is always complete, and removes the archive. */
async function unpack(archive: string, folder: string): Promise<void> {
  const partial = `${folder}.unpacking`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  try {
    const files = unpackTar(partial, { strip: 1, filter: ({ type }) => type === "file" || type === "directory" });
    await pipeline(createReadStream(archive), createGunzip(), files);
  } catch (cause) {
    await rm(partial, { recursive: true, force: true });
    throw new DataError(`cannot unpack: ${reasonOf(cause)}`, { file: archive, cause });
  }
  await rm(folder, { recursive: true, force: true });
  await rename(partial, folder);
  await rm(archive);
}
