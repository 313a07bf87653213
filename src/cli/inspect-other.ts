/** What a path is that holds neither weights nor a network: an image, a data set, or a file that went wrong on its way. */
import { statSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { decodeImage, IMAGE_EXTENSIONS, locateDataset } from "../data/node/index.ts";
import { fileKind } from "../graph/index.ts";
import { megabytes } from "./format.ts";
import { UsageError } from "./support.ts";

/** A path in one line, and what to type next. */
export interface Described {
  readonly what: string;
  readonly next?: string;
}

/** What a folder is, if it is not that of a run. Throws a UsageError if it is nothing that a command takes. */
export async function describeFolder(path: string): Promise<Described> {
  return describeData(path).catch((error: Error) => {
    const reason = error.message.startsWith(`${path}: `) ? error.message.slice(path.length + 2) : error.message;
    throw new UsageError(`${path} is neither a run nor a data set: ${reason}`);
  });
}

async function describeData(path: string): Promise<Described> {
  const located = await locateDataset(path);
  const understood = await located.describe();
  const parts = await Promise.all(
    located.splits.map(async (split) => {
      const { classes, length } = await located.open(split);
      return `${split}: ${length} images, ${classes.length} classes`;
    }),
  );
  return {
    what: `a data set (${located.format}), ${understood ?? parts.join("; ")}`,
    next: `convnets train --data ${path}`,
  };
}

/**
 * What a file is that is no weight file and no .onnx file; undefined if it may be one. Throws a UsageError, with the remedy, for what
 * no command takes.
 */
export async function describeFile(path: string): Promise<Described | undefined> {
  const handle = await open(path);
  const { buffer, bytesRead } = await handle.read(new Uint8Array(300), 0, 300, 0).finally(() => handle.close());
  const start = buffer.subarray(0, bytesRead);
  const { size } = statSync(path);
  const text = new TextDecoder("latin1").decode(start);
  if (text.startsWith("version https://git-lfs")) {
    const whole = /^size (\d+)$/m.exec(text)?.[1];
    return {
      what: `a Git LFS pointer of ${size} bytes${whole === undefined ? "" : ` to a file of ${megabytes(Number(whole))}`}`,
      next: `git lfs pull --include ${path}`,
    };
  }
  if (/^\s*<(!doctype|html)/i.test(text)) {
    const title = /<title>([^<]*)<\/title>/i.exec(text)?.[1]?.trim();
    const named = title ? `, "${title}"` : "";
    return { what: `a web page${named}: the download went wrong; fetch the file from its direct link` };
  }
  if (/^.{4}ftyp(hei|hev|mif)/s.test(text)) return { what: "a HEIC image, which is not read; save it as JPEG or PNG" };
  if (/image$/.test(fileKind(start)) || IMAGE_EXTENSIONS.some((end) => path.toLowerCase().endsWith(end))) {
    const image = await decodeImage(new Uint8Array(await readFile(path)), { channels: 3 }).catch((error: Error) => {
      throw new UsageError(`${path}: ${error.message}`);
    });
    return { what: `an image of ${image.width}×${image.height} pixels`, next: `convnets classify ${path}` };
  }
  if (/\.(csv|tsv|jsonl|parquet)$/i.test(path))
    return describeData(path).catch((error: Error) => {
      throw new UsageError(`it is no data set: ${error.message}`);
    });
  if (/\.(zip|tar|tgz|gz|npz|npy)$/i.test(path)) return describeData(path).catch(() => undefined);
  return undefined;
}

/** Why a file cannot be read, with the remedy for half a download. */
export function unreadable(path: string, error: Error): Error {
  const isCut = /cut short|premature|there is no directory at the end/.test(error.message);
  if (!isCut) return error;
  const size = megabytes(statSync(path).size);
  const remedy = error.message.includes("download it again")
    ? ""
    : "; its end is probably missing, so download it again";
  return new Error(`${error.message}. The file has ${size}${remedy}`, { cause: error });
}
