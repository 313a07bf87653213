/** What is wrong with a sample or a file, and which one it is. */
export interface Corrupt {
  /** The file, or the file and the position in it. */
  readonly file: string;
  readonly reason: string;
}

/** A file in memory. */
export interface NamedBytes {
  /** Its name or path, for messages. */
  readonly file: string;
  readonly bytes: Uint8Array;
}

/** The last part of a path. */
export const baseName = (file: string): string => file.split(/[/\\]/).at(-1)!;

interface DataErrorOptions {
  readonly file?: string | undefined;
  readonly cause?: unknown;
  readonly skippable?: boolean;
}

/** Data that cannot be read or used. The message begins with the file's name where one is known. */
export class DataError extends Error {
  override readonly name = "DataError";
  readonly file: string | undefined;
  readonly reason: string;
  /** Whether it would be passed over where `skipCorrupt` asks for that. */
  readonly skippable: boolean;

  constructor(reason: string, { file, cause, skippable = false }: DataErrorOptions = {}) {
    super(file === undefined ? reason : `${file}: ${reason}`, { cause });
    this.file = file;
    this.reason = reason;
    this.skippable = skippable;
  }
}
