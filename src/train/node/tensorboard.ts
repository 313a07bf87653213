import { type FileHandle, open } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { TrainEvent } from "../events.ts";

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
  /** Marks that steps from this one on are told anew after a restart. */
  readonly restart?: boolean;
}

/** SessionLog.SessionStatus.START */
const START = 1;

function encodeEvent({ time, step, fileVersion, scalars, restart }: Event): Uint8Array {
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
  if (restart) writer.tag(7, WireType.LengthDelimited).fork().tag(1, WireType.Varint).int32(START).join();
  return writer.finish();
}

/** Starts an event file in a run's folder. A resumed run starts another, which takes back steps after its checkpoint. */
export async function openTensorboard(
  dir: string,
  { resumeAtStep }: { resumeAtStep?: number } = {},
): Promise<TensorboardLog> {
  const seconds = Date.now() / 1000;
  const name = `events.out.tfevents.${Math.floor(seconds)}.${hostname()}.${process.pid}`;
  const log = new TensorboardLog(await open(join(dir, name), "a"));
  log.write({ time: seconds, fileVersion: "brain.Event:2" });
  if (resumeAtStep !== undefined) log.write({ time: seconds, step: resumeAtStep + 1, restart: true });
  await log.flush();
  return log;
}

/** Writes the course of a training as scalars. */
export class TensorboardLog {
  readonly #file: FileHandle;
  #records: Uint8Array[] = [];

  constructor(file: FileHandle) {
    this.#file = file;
  }

  write(event: Event): void {
    this.#records.push(record(encodeEvent(event)));
  }

  async add(event: TrainEvent, at: Date): Promise<void> {
    const time = at.getTime() / 1000;
    if (event.type === "step") {
      const { step, loss, accuracy, lr, images, seconds } = event;
      this.write({
        time,
        step,
        scalars: { "loss/step": loss, "accuracy/step": accuracy, lr, images_per_second: images / seconds },
      });
    }
    if (event.type === "epoch") {
      const { step, train, validation, utilisation } = event;
      const evaluated = validation && {
        "loss/validation": validation.loss,
        "top1/validation": validation.top1,
        "top5/validation": validation.top5,
      };
      this.write({
        time,
        step,
        scalars: { "loss/train": train.loss, "accuracy/train": train.accuracy, utilisation, ...evaluated },
      });
      await this.flush();
    }
  }

  async flush(): Promise<void> {
    const pieces = this.#records;
    this.#records = [];
    if (pieces.length > 0) await this.#file.appendFile(Buffer.concat(pieces));
  }

  async close(): Promise<void> {
    await this.flush();
    await this.#file.close();
  }
}
