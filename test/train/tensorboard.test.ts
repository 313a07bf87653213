import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { crc32c, openTensorboard, record } from "../../src/runs/node/tensorboard.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { type Course, course } from "./made-up.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-board-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const newDir = () => mkdtempSync(join(folder, "run-"));

const TIME = new Date(1_700_000_000_000);

/** Writes an event file, as a training does. */
async function log(dir: string, options: Course, resumeAtStep?: number, time = TIME): Promise<void> {
  const board = await openTensorboard(dir, { time, ...(resumeAtStep !== undefined && { resumeAtStep }) });
  for (const event of course(options)) await board.add(event, time);
  await board.close();
}

/** Remainder of the division of polynomials over GF(2), bit by bit, as RFC 3720 defines it. */
function crcByDivision(bytes: Uint8Array): number {
  let crc = 0xffffffffn;
  for (const byte of bytes)
    for (let bit = 0n; bit < 8n; bit++) {
      const out = (crc ^ (BigInt(byte) >> bit)) & 1n;
      crc = (crc >> 1n) ^ (out * 0x82f63b78n);
    }
  return Number(crc ^ 0xffffffffn);
}

// A reader by the published format alone: records, then varints, fixed numbers and messages.

function readRecords(bytes: Buffer): Buffer[] {
  const unmask = (masked: number) => {
    const rotated = (masked - 0xa282ead8) >>> 0;
    return ((rotated >>> 17) | (rotated << 15)) >>> 0;
  };
  const records: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    expect(unmask(bytes.readUInt32LE(at + 8))).toBe(crcByDivision(bytes.subarray(at, at + 8)));
    const data = bytes.subarray(at + 12, at + 12 + length);
    expect(data).toHaveLength(length);
    expect(unmask(bytes.readUInt32LE(at + 12 + length))).toBe(crcByDivision(data));
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

/** Files of a run in the order in which TensorBoard reads them, as events. */
function readRun(dir: string): Fields[][] {
  return readdirSync(dir)
    .sort()
    .map((file) => readRecords(readFileSync(join(dir, file))).map(fieldsOf));
}

const isStart = (event: Fields) => event.has(7) && fieldsOf(event.get(7)![0] as Buffer).get(1)![0] === 1;

/** What TensorBoard shows of a tag: a session's start, unless it is the first, takes back its step and all after it. */
function shown(files: readonly Fields[][], tag: string): [step: number, value: number][] {
  let points: [number, number][] = [];
  let started = false;
  for (const event of files.flat()) {
    const step = (event.get(2)?.[0] ?? 0) as number;
    if (isStart(event) && started) points = points.filter(([earlier]) => earlier < step);
    started ||= isStart(event);
    const value = scalars(event)[tag];
    if (value !== undefined) points.push([step, value]);
  }
  return points;
}

describe("CRC-32C", () => {
  test("gives the published check values", () => {
    // RFC 3720, B.4
    expect(crc32c(new TextEncoder().encode("123456789"))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i))).toBe(0x113fdb5c);
  });

  test("is the remainder of a division, for any bytes; records give them back", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(crc32c(bytes)).toBe(crcByDivision(bytes));
        expect(readRecords(Buffer.from(record(bytes)))).toEqual([Buffer.from(bytes)]);
      }),
    );
  });
});

describe("event files", () => {
  test("have TensorBoard's records, checksums and scalars", async () => {
    const dir = newDir();
    await log(dir, { epochs: 2, stepsPerEpoch: 3 });
    expect(readdirSync(dir)[0]).toMatch(/^events\.out\.tfevents\.1700000000\./);
    const [events] = readRun(dir);
    expect(String(events![0]!.get(3)![0])).toBe("brain.Event:2");
    expect(isStart(events![1]!)).toBe(true);
    expect(events!.slice(2).map((event) => event.get(2)![0])).toEqual([1, 2, 3, 3, 4, 5, 6, 6]);
    for (const event of events!) expect(event.get(1)![0]).toBe(1_700_000_000);
    const told = [...course({ epochs: 2, stepsPerEpoch: 3 })];
    const step = told.find((event) => event.type === "step")!;
    expect(scalars(events![2]!)).toEqual({
      "loss/step": Math.fround(step.loss),
      "accuracy/step": Math.fround(step.accuracy),
      lr: Math.fround(step.lr),
      images_per_second: 256,
    });
    const epoch = told.find((event) => event.type === "epoch")!;
    expect(scalars(events![5]!)).toEqual({
      "loss/train": Math.fround(epoch.train.loss),
      "accuracy/train": Math.fround(epoch.train.accuracy),
      utilisation: Math.fround(0.98),
      "loss/validation": Math.fround(epoch.validation!.loss),
      "top1/validation": Math.fround(epoch.validation!.top1),
      "top5/validation": Math.fround(epoch.validation!.top5),
    });
  });

  test("resumed, show each step once, also in a quick succession of restarts", async () => {
    const [whole, dir] = [newDir(), newDir()];
    await log(whole, {});
    await log(dir, { stopAfter: 9 });
    await log(dir, { from: 4, stopAfter: 12 }, 4);
    await log(dir, { from: 10 }, 10);
    expect(readdirSync(dir)).toHaveLength(3);
    for (const tag of ["loss/step", "lr", "loss/validation"])
      expect(shown(readRun(dir), tag)).toEqual(shown(readRun(whole), tag));
  });

  test("of a run that starts anew in its folder, take all back", async () => {
    const [whole, dir] = [newDir(), newDir()];
    await log(whole, {});
    await log(dir, { stopAfter: 3 });
    await log(dir, {});
    expect(shown(readRun(dir), "loss/step")).toEqual(shown(readRun(whole), "loss/step"));
  });
});

const reason = pythonSkipReason("tensorboard");

test("TensorBoard itself reads a resumed run", unless(reason), async () => {
  const dir = newDir();
  await log(dir, { stopAfter: 9 });
  await log(dir, { from: 4 }, 4);
  const script = `
import json, sys
from tensorboard.backend.event_processing import event_accumulator, plugin_event_accumulator
old = event_accumulator.EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
new = plugin_event_accumulator.EventAccumulator(sys.argv[1], size_guidance={"tensors": 0})
old.Reload(), new.Reload()
print(json.dumps({
    "old": {tag: [[e.step, e.value] for e in old.Scalars(tag)] for tag in old.Tags()["scalars"]},
    "new": {tag: [e.step for e in new.Tensors(tag)] for tag in new.Tags()["tensors"]},
}))`;
  const read = JSON.parse(python(script, { args: [dir] }));
  const files = readRun(dir);
  const tags = Object.keys(read.old);
  expect(tags).toHaveLength(10);
  for (const tag of tags) {
    expect(read.old[tag]).toEqual(shown(files, tag));
    expect(read.new[tag]).toEqual(shown(files, tag).map(([step]) => step));
  }
});
