import type { CheckpointFile } from "./checkpoint.ts";
import { ensure } from "./error.ts";
import { unpickle } from "./pickle.ts";
import { Dict } from "./pickle-objects.ts";
import type { Storage } from "./stored.ts";
import type { TorchDialect } from "./torch-objects.ts";

/** What every form of PyTorch's files comes to. */
export interface Opened {
  readonly format: CheckpointFile["format"];
  readonly root: unknown;
  readonly pickleSize: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** Classes and functions that are not known, of which nothing was executed. */
  readonly unknown: ReadonlySet<string>;
  readonly read: (storage: Storage) => Promise<Uint8Array>;
}

/** In bytes; 100,000 tensors take some 15 MB. */
export const MAX_PICKLE = 64 * 2 ** 20;

/** The first object of the stream form; 10 bytes of a LONG1. */
const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;

/** Checks what a stream begins with: a magic number, a protocol, and facts about the system, each a pickle. */
export function checkStart(magic: unknown, protocol: unknown, system: unknown): void {
  ensure(magic === MAGIC, () => "torch: the magic number is wrong");
  ensure(protocol === PROTOCOL, () => `torch: the stream's protocol is not ${PROTOCOL}`);
  checkSystem(system);
}

/** Throws unless the file was written by a little-endian machine. */
export function checkSystem(system: unknown): void {
  ensure(
    system instanceof Dict && system.entries.get("little_endian") === true,
    () => "torch: the file was written by a big-endian machine; only little-endian files are read",
  );
}

/** Pickles that follow each other in memory. */
export function pickles(bytes: Uint8Array, dialect: TorchDialect) {
  let position = 0;
  return {
    next(): unknown {
      const { value, end } = unpickle(bytes, position, dialect);
      position = end;
      return value;
    },
    get position() {
      return position;
    },
    /** The next bytes. */
    take(length: number): Uint8Array {
      ensure(length >= 0 && position + length <= bytes.length, () => "torch: the file is cut short");
      position += length;
      return bytes.subarray(position - length, position);
    },
  };
}
