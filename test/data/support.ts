/** What the tests of data share: folders that go away, and the real sets beside the project. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll } from "vitest";
import type { Dataset } from "../../src/data/index.ts";
import { shared } from "../support/skip.ts";

/** A folder of its own for a test file, removed after it. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "convnets-data-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes a file and the folders above it. */
export function put(file: string, bytes: Uint8Array | string): string {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, bytes);
  return file;
}

/** A real data set beside the project, or the reason to skip. */
export function sharedData(name: string): { folder: string; reason: string | undefined } {
  const { path, reason } = shared(`data/${name}`);
  return { folder: path, reason };
}

/** CIFAR records with the given labels; every pixel of record i is i. */
export function cifarBytes(labels: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(labels.length * 3073);
  for (const [i, label] of labels.entries()) bytes.fill(i, i * 3073 + 1, (i + 1) * 3073)[i * 3073] = label;
  return bytes;
}

/** An idx file of bytes. */
export function idxBytes(shape: readonly number[], data: Uint8Array): Uint8Array {
  const header = new DataView(new ArrayBuffer(4 + 4 * shape.length));
  header.setUint32(0, 0x0800 + shape.length);
  for (const [axis, size] of shape.entries()) header.setUint32(4 + 4 * axis, size);
  return Buffer.concat([new Uint8Array(header.buffer), data]);
}

/** All pixels of a sample, plane by plane. */
export function planes({ image }: Awaited<ReturnType<Dataset["get"]>>): Uint8Array {
  const { data, channels, height, width, offset, strides } = image;
  const out = new Uint8Array(channels * height * width);
  let o = 0;
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) out[o++] = data[offset + c * strides[0] + y * strides[1] + x * strides[2]]!;
    }
  }
  return out;
}
