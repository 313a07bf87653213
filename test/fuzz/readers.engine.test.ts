/** A few thousand damaged files of every kind; scripts/fuzz.ts does the same with any number. docs/files.md says what it found. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { Random } from "../../src/random.ts";
import { mutated, type Reader, readers, tryRead } from "./readers.ts";

const FILES = 50;
/** Bytes in memory for each of the file, besides images, whose pixels count. */
const FACTOR = 64;

const folder = mkdtempSync(join(tmpdir(), "convnets-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true }));
const all: [string, Reader][] = Object.entries(await readers(folder));

it.each(all)("%s", async (name, reader) => {
  for (const seed of reader.seeds) {
    const { outcome } = await tryRead(reader, seed);
    // a pickle without weights, and a part of a PyTorch file without any
    if (name !== "PyTorch, zip") expect(outcome instanceof Error ? outcome.message : "").toBe("");
  }
  const random = new Random(7, name);
  for (let i = 0; i < FILES * (reader.share ?? 1); i++) {
    const bytes = mutated(reader.seeds[i % reader.seeds.length]!, random);
    const { outcome, factor } = await tryRead(reader, bytes);
    const told = outcome instanceof Error ? `${outcome.name}: ${outcome.message}` : "";
    expect(told, Buffer.from(bytes).toString("base64").slice(0, 1000)).toBe("");
    if (!/^(bmp|images|data)/.test(name)) expect(factor).toBeLessThan(FACTOR);
  }
});

it("tfjs, model.json: statistics of a shape for which the file has no numbers", async () => {
  const reader = all.find(([name]) => name === "tfjs, model.json")![1];
  const text = new TextDecoder().decode(reader.seeds[0]);
  const claimed = text
    .replace('"n/moving_mean","shape":[3]', '"n/moving_mean","shape":[1e9]')
    .replace('"scale":true', '"scale":false');
  expect(claimed).toContain("[1e9]");
  const { outcome, factor } = await tryRead(reader, new TextEncoder().encode(claimed));
  expect(outcome).toBe("refused");
  expect(factor).toBeLessThan(FACTOR);
});
