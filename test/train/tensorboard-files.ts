/** Event files of made-up trainings, and a reader of its own for them. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import { openTensorboard } from "../../src/runs/node/tensorboard.ts";
import { type Course, course } from "./made-up.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-board-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
export const newDir = () => mkdtempSync(join(folder, "run-"));

export const TIME = new Date(1_700_000_000_000);

/** Writes an event file, as a training does. */
export async function log(dir: string, options: Course, resumeAtStep?: number, time = TIME): Promise<void> {
  const board = await openTensorboard(dir, { time, ...(resumeAtStep !== undefined && { resumeAtStep }) });
  for (const event of course(options)) await board.add(event, time);
  await board.close();
}

/** Remainder of the division of polynomials over GF(2), bit by bit, as RFC 3720 defines it. */
export function crcByDivision(bytes: Uint8Array): number {
  let crc = 0xffffffffn;
  for (const byte of bytes)
    for (let bit = 0n; bit < 8n; bit++) {
      const out = (crc ^ (BigInt(byte) >> bit)) & 1n;
      crc = (crc >> 1n) ^ (out * 0x82f63b78n);
    }
  return Number(crc ^ 0xffffffffn);
}

// A reader by the published format alone: records, then varints, fixed numbers and messages.

export function readRecords(bytes: Buffer): Buffer[] {
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

export type Fields = Map<number, (number | Buffer)[]>;

export function fieldsOf(bytes: Buffer): Fields {
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

export function scalars(event: Fields): Record<string, number> {
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
export function readRun(dir: string): Fields[][] {
  return readdirSync(dir)
    .sort()
    .map((file) => readRecords(readFileSync(join(dir, file))).map(fieldsOf));
}

export const isStart = (event: Fields) => event.has(7) && fieldsOf(event.get(7)![0] as Buffer).get(1)![0] === 1;

/** What TensorBoard shows of a tag: a session's start, unless it is the first, takes back its step and all after it. */
export function shown(files: readonly Fields[][], tag: string): [step: number, value: number][] {
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
