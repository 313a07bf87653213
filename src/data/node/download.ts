/** Downloads over HTTP: resumed after a broken connection, checked, and renamed only when complete. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { DataError } from "../errors.ts";
import { reasonOf } from "./files.ts";

export interface Checksums {
  /** Hexadecimal; at least the first eight digits. */
  readonly sha256?: string | undefined;
  readonly md5?: string | undefined;
  /** bytes */
  readonly size?: number | undefined;
}

export interface DownloadProgress {
  readonly file: string;
  readonly url: string;
  /** bytes, including those of earlier tries */
  readonly received: number;
  /** bytes, if the server says */
  readonly total: number | undefined;
}

export interface DownloadOptions extends Checksums {
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Tries in a row without progress before it gives up. */
  readonly retries?: number | undefined;
  /** ms before the first retry, doubled for each further one */
  readonly backoff?: number | undefined;
  /** ms without data after which a connection counts as broken */
  readonly idleTimeout?: number | undefined;
}

/** The server could not be reached (`offline`), or did not have the file. */
export class DownloadError extends DataError {
  readonly offline: boolean;

  constructor(reason: string, options: { file: string; cause?: unknown; offline?: boolean }) {
    super(reason, options);
    this.offline = options.offline ?? false;
  }
}

/**
 * Downloads to `file`. Incomplete downloads are kept in `file.part`, where a later call resumes them; the file itself
 * appears only when its checksums are right. Throws a DownloadError.
 */
export async function download(url: string, file: string, options: DownloadOptions = {}): Promise<void> {
  const { retries = 4, backoff = 500, signal } = options;
  const part = `${file}.part`;
  await mkdir(dirname(file), { recursive: true });
  let resumed = (await sizeOf(part)) > 0;
  for (let fruitless = 0; ; ) {
    const before = await sizeOf(part);
    try {
      await fetchInto(part, url, file, options);
      const problem = await mismatch(part, options);
      if (problem === undefined) break;
      await rm(part, { force: true });
      // The part of an earlier call may have been of another version of the file: once more from the start.
      if (!resumed) throw new DownloadError(`what ${url} sent is not the file expected: ${problem}`, { file });
      resumed = false;
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof DownloadError) throw error;
      fruitless = (await sizeOf(part)) > before ? 0 : fruitless + 1;
      if (fruitless > retries) throw unreachable(url, file, error, false);
      await sleep(backoff * 2 ** fruitless, undefined, { signal });
    }
  }
  const handle = await open(part, "r+");
  await handle.sync();
  await handle.close();
  await rename(part, file);
}

/** Errors that a retry does not help: no network, or no server. */
const OFFLINE = ["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH"];
/** Errors of the disk. */
const DISK = ["ENOSPC", "EACCES", "EROFS", "EDQUOT", "EISDIR", "EPERM"];

function unreachable(url: string, file: string, error: unknown, offline: boolean): DownloadError {
  const { cause, message } = error as Error & { cause?: Error };
  return new DownloadError(`cannot download ${url}: ${cause?.message || message}`, { file, cause: error, offline });
}

/** One request, which adds to what is there. */
async function fetchInto(part: string, url: string, file: string, options: DownloadOptions): Promise<void> {
  const { signal, idleTimeout = 30_000, onProgress } = options;
  let start = await sizeOf(part);
  if (options.size !== undefined && start === options.size) return;
  const idle = new AbortController();
  const timer = setTimeout(() => idle.abort(new Error(`no data for ${idleTimeout / 1000} s`)), idleTimeout);
  try {
    const headers: Record<string, string> = start > 0 ? { range: `bytes=${start}-` } : {};
    const signals = AbortSignal.any(signal ? [signal, idle.signal] : [idle.signal]);
    const response = await fetch(url, { headers, signal: signals }).catch((error) => {
      if (OFFLINE.includes(codeOf(error) ?? "")) throw unreachable(url, file, error, true);
      throw error;
    });
    if (response.status === 416) {
      // Nothing lies behind what we have: it is whole, which the checksum confirms, or of another version.
      await response.body?.cancel();
      if (totalOf(response) === start) return;
      await rm(part);
      throw new Error("the server has another version of the file");
    }
    if (response.status === 200) start = 0;
    else if (response.status !== 206 || !response.headers.get("content-range")?.startsWith(`bytes ${start}-`)) {
      await response.body?.cancel();
      const problem = `${url} answered ${response.status} ${response.statusText}`.trim();
      if (response.status >= 500 || response.status === 429 || response.status === 408) throw new Error(problem);
      throw new DownloadError(problem, { file });
    }
    const total = totalOf(response);
    let received = start;
    onProgress?.({ file, url, received, total });
    const body = Readable.fromWeb(response.body as never);
    body.on("data", (chunk: Uint8Array) => {
      received += chunk.length;
      timer.refresh();
      onProgress?.({ file, url, received, total });
    });
    await pipeline(body, createWriteStream(part, { flags: start > 0 ? "a" : "w" })).catch((error) => {
      if (DISK.includes(codeOf(error) ?? ""))
        throw new DownloadError(`cannot save: ${reasonOf(error)}`, { file, cause: error });
      throw error;
    });
  } finally {
    clearTimeout(timer);
  }
}

/** Bytes of the whole file, by the answer's headers. */
function totalOf({ headers, status }: Response): number | undefined {
  const range = headers.get("content-range")?.match(/\/(\d+)$/)?.[1];
  const length = status === 200 && !headers.has("content-encoding") ? headers.get("content-length") : null;
  return range ? Number(range) : length ? Number(length) : undefined;
}

function codeOf(error: unknown): string | undefined {
  const { code, cause } = error as { code?: string; cause?: { code?: string } };
  return cause?.code ?? code;
}

/** What is wrong with a file, by its size and checksums; undefined where nothing is. */
export async function mismatch(file: string, { sha256, md5, size }: Checksums): Promise<string | undefined> {
  const actual = await sizeOf(file);
  if (size !== undefined && actual !== size) return `${actual} bytes, expected ${size}`;
  for (const [algorithm, expected] of Object.entries({ sha256, md5 })) {
    if (expected === undefined) continue;
    const hash = createHash(algorithm);
    await pipeline(createReadStream(file), hash);
    const digest = hash.digest("hex");
    const known = algorithm === "sha256" && expected.length >= 8 ? digest.slice(0, expected.length) : digest;
    if (known !== expected) return `${algorithm} ${digest}, expected ${expected}`;
  }
  return undefined;
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}
