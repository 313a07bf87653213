import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { StepEvent } from "../../src/train/events.ts";
import { crc32c, openTensorboard } from "../../src/train/node/tensorboard.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-board-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const step = (at: number, loss: number): StepEvent => ({
  type: "step",
  epoch: 0,
  batch: at,
  step: at,
  loss,
  accuracy: 0.5,
  lr: 0.1,
  images: 64,
  seconds: 0.25,
});

test("CRC-32C gives the published check values", () => {
  // RFC 3720, B.4
  expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
});

/** A reader by the published format alone: records, then varints, fixed numbers and messages. */
function readRecords(bytes: Buffer): Buffer[] {
  const unmask = (masked: number) => {
    const rotated = (masked - 0xa282ead8) >>> 0;
    return ((rotated >>> 17) | (rotated << 15)) >>> 0;
  };
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(unmask(bytes.readUInt32LE(at + 8))).toBe(crc32c(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(data).toHaveLength(length);
    expect(unmask(bytes.readUInt32LE(at + 12 + length))).toBe(crc32c(data));
    records.push(data);
    at += length + 16;
  }
  return records;
}

type Fields = Map<number, (number | Buffer)[]>;

function fieldsOf(bytes: Buffer): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const wire = tag & 7;
    let value: number | Buffer;
    if (wire === 0) value = varint();
    else {
      const size = wire === 1 ? 8 : wire === 5 ? 4 : varint();
      const field = bytes.subarray(at, at + size);
      value = wire === 1 ? field.readDoubleLE() : wire === 5 ? field.readFloatLE() : field;
      at += size;
    }
    fields.set(tag >> 3, [...(fields.get(tag >> 3) ?? []), value]);
  }
  return fields;
}

function scalars(event: Fields): Record<string, number> {
  const [summary] = event.get(5) ?? [];
  const values = summary ? (fieldsOf(summary as Buffer).get(1) ?? []) : [];
  return Object.fromEntries(
    values.map((value) => {
      const fields = fieldsOf(value as Buffer);
      return [String(fields.get(1)![0]), fields.get(2)![0] as number];
    }),
  );
}

test("event files have TensorBoard's records, checksums and scalars", async () => {
  const log = await openTensorboard(folder);
  await log.add(step(1, 2.5), new Date(1_700_000_000_000));
  await log.add(step(2, 1.25), new Date(1_700_000_001_000));
  await log.close();
  const [file] = readdirSync(folder);
  expect(file).toMatch(/^events\.out\.tfevents\.\d+\./);
  const events = readRecords(readFileSync(join(folder, file!))).map(fieldsOf);
  expect(String(events[0]!.get(3)![0])).toBe("brain.Event:2");
  expect(events.slice(1).map((event) => event.get(2)![0])).toEqual([1, 2]);
  expect(events[1]!.get(1)![0]).toBe(1_700_000_000);
  expect(scalars(events[1]!)).toEqual({
    "loss/step": 2.5,
    "accuracy/step": 0.5,
    lr: Math.fround(0.1),
    images_per_second: 256,
  });
  expect(scalars(events[2]!)["loss/step"]).toBe(1.25);
});

test("a resumed run takes back the steps after its checkpoint", async () => {
  const dir = mkdtempSync(join(folder, "resumed-"));
  await (await openTensorboard(dir, { resumeAtStep: 7 })).close();
  const [, restart] = readRecords(readFileSync(join(dir, readdirSync(dir)[0]!))).map(fieldsOf);
  expect(restart!.get(2)![0]).toBe(8);
  expect(fieldsOf(restart!.get(7)![0] as Buffer).get(1)![0]).toBe(1);
});
