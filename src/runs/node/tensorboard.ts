import { type FileHandle, open, readdir } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { writeError } from "../../checkpoint/index.ts";
import { shareRight, type TrainEvent } from "../../train/index.ts";

/*
 * Event files as TensorBoard reads them: a sequence of records (length, masked CRC-32C of the length, data, masked CRC-32C of the
 * data; all little-endian), each an Event message of tensorflow/core/util/event.proto.
 */

/** Table of CRC-32C (Castagnoli, reflected polynomial 0x82F63B78). */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff]!;
  return (crc ^ 0xffffffff) >>> 0;
}

/** TensorFlow's mask, which keeps a checksum of data that holds checksums from being weak. */
function masked(crc: number): number {
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** One record of an event file. */
export function record(data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + 4 + data.length + 4);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, masked(crc32c(bytes.subarray(0, 8))), true);
  bytes.set(data, 12);
  view.setUint32(12 + data.length, masked(crc32c(data)), true);
  return bytes;
}

interface Event {
  /** Seconds since 1970. */
  readonly time: number;
  readonly step?: number;
  readonly fileVersion?: string;
  readonly scalars?: Readonly<Record<string, number>>;
  /** Takes back what earlier files say of this step and those after it. */
  readonly start?: boolean;
}

/** SessionLog.SessionStatus.START */
const START = 1;

function encodeEvent({ time, step, fileVersion, scalars, start }: Event): Uint8Array {
  const writer = new BinaryWriter().tag(1, WireType.Bit64).double(time);
  if (step !== undefined) writer.tag(2, WireType.Varint).int64(step);
  if (fileVersion !== undefined) writer.tag(3, WireType.LengthDelimited).string(fileVersion);
  if (scalars) {
    writer.tag(5, WireType.LengthDelimited).fork();
    for (const [tag, value] of Object.entries(scalars)) {
      writer.tag(1, WireType.LengthDelimited).fork();
      writer.tag(1, WireType.LengthDelimited).string(tag).tag(2, WireType.Bit32).float(value).join();
    }
    writer.join();
  }
  if (start) writer.tag(7, WireType.LengthDelimited).fork().tag(1, WireType.Varint).int32(START).join();
  return writer.finish();
}

/** What an event says of the training, by tag. Tags with a common first part share a section of TensorBoard's page. */
function scalarsOf(event: TrainEvent): Record<string, number> | undefined {
  if (event.type === "step") {
    const { loss, lr, images, seconds } = event;
    return { "loss/step": loss, "accuracy/step": shareRight(event), lr, images_per_second: images / seconds };
  }
  if (event.type === "epoch") {
    const { train, validation, utilisation } = event;
    return {
      "loss/train": train.loss,
      "accuracy/train": shareRight(train),
      utilisation,
      ...(validation && {
        "loss/validation": validation.loss,
        ...(validation.perLabel
          ? {
              "f1/validation": validation.metrics.f1 ?? Number.NaN,
              "mean_average_precision/validation": validation.metrics.meanAveragePrecision ?? Number.NaN,
            }
          : { "top1/validation": validation.top1, "top5/validation": validation.top5 }),
      }),
    };
  }
  return undefined;
}

/**
 * Starts an event file in a run's folder. It takes back what earlier files there say of steps after `resumeAtStep`, or of all
 * steps without it, as SummaryWriter's `purge_step` does.
 */
export async function openTensorboard(
  dir: string,
  { resumeAtStep = 0, time = new Date() }: { resumeAtStep?: number; time?: Date } = {},
): Promise<TensorboardLog> {
  const earlier = (await readdir(dir)).flatMap((name) => /^events\.out\.tfevents\.(\d+)\./.exec(name)?.[1] ?? []);
  const now = time.getTime() / 1000;
  // TensorBoard reads files in the order of their names: that of a quick restart must not be a second earlier one
  const stamp = Math.max(Math.floor(now), ...earlier.map((seconds) => Number(seconds) + 1));
  const name = `events.out.tfevents.${String(stamp).padStart(10, "0")}.${hostname()}.${process.pid}`;
  const path = join(dir, name);
  const log = new TensorboardLog(path, await open(path, "wx"));
  log.write({ time: now, fileVersion: "brain.Event:2" });
  // also in the first file: TensorBoard takes a session for a restart only if it has seen one before
  log.write({ time: now, step: resumeAtStep + 1, start: true });
  await log.flush();
  return log;
}

/** Writes the course of a training as scalars. */
export class TensorboardLog {
  readonly #path: string;
  readonly #file: FileHandle;
  #records: Uint8Array[] = [];

  /** @internal */
  constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  write(event: Event): void {
    this.#records.push(record(encodeEvent(event)));
  }

  /** Takes any event. Records are in the file after each epoch and checkpoint. */
  async add(event: TrainEvent, at: Date): Promise<void> {
    const scalars = scalarsOf(event);
    if (scalars && "step" in event) this.write({ time: at.getTime() / 1000, step: event.step, scalars });
    if (event.type !== "step" || this.#records.length >= 100) await this.flush();
  }

  async flush(): Promise<void> {
    const pieces = this.#records;
    this.#records = [];
    if (pieces.length === 0) return;
    try {
      await this.#file.appendFile(Buffer.concat(pieces));
    } catch (error) {
      throw writeError(this.#path, error as NodeJS.ErrnoException);
    }
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#file.close();
  }
}
