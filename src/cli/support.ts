import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { InvalidArgumentError } from "commander";
import {
  createModel,
  INCEPTION_WIDTHS,
  Inception,
  MODELS,
  type ModelOptions,
  modelEntry,
  NaiveInception,
  type Variant,
} from "../models/index.ts";
import { Module } from "../nn/index.ts";

/** A mistake of the person at the keyboard: the message says it all, no stack is shown. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** Blocks that can be looked at like networks: the note's argument is about them. */
const BLOCKS: Readonly<Record<string, { build: () => Module; input: readonly number[] }>> = {
  inception: { build: () => new Inception(192, INCEPTION_WIDTHS["3a"]), input: [1, 192, 28, 28] },
  naive_inception: { build: () => new NaiveInception(192, INCEPTION_WIDTHS["3a"]), input: [1, 192, 28, 28] },
};

export interface ModelFlags {
  variant?: Variant;
  numClasses?: number;
  input?: number[];
}

export interface LoadedModel {
  readonly name: string;
  readonly model: Module;
  /** Shape to look at it with: that asked for, else the one it was published for. */
  readonly input: readonly number[];
}

/** A registered network, a block, or the module that a file exports: `file.js` (default export) or `file.js#Name`. */
export async function loadModel(name: string, { variant, numClasses, input }: ModelFlags = {}): Promise<LoadedModel> {
  const block = Object.hasOwn(BLOCKS, name) ? BLOCKS[name] : undefined;
  if (block) return { name, model: block.build(), input: input ?? block.input };
  const [file = name, exported = "default"] = name.split("#");
  if (!Object.hasOwn(MODELS, name) && (/[./\\]/.test(file) || existsSync(file))) {
    return { name: file, model: await moduleOfFile(file, exported), input: input ?? [1, 3, 224, 224] };
  }
  const entry = modelEntry(name);
  const size = entry.inputSize;
  const options: ModelOptions = {
    ...(variant && { variant }),
    ...(numClasses !== undefined && { numClasses }),
    ...(input && { inChannels: input[1]!, inputSize: input[2]! }),
  };
  return { name, model: createModel(name, options), input: input ?? [1, 3, size, size] };
}

async function moduleOfFile(file: string, name: string): Promise<Module> {
  if (!existsSync(file))
    throw new UsageError(`there is no file ${file} and no network of that name; see "convnets models"`);
  let exports: Record<string, unknown>;
  try {
    exports = await import(pathToFileURL(resolve(file)).href);
  } catch (error) {
    const typescript =
      /\.[mc]?ts$/.test(file) && (error as NodeJS.ErrnoException).code === "ERR_UNKNOWN_FILE_EXTENSION";
    throw typescript
      ? new UsageError(
          `this Node (${process.version}) does not read TypeScript: compile ${file} first, or use Node 22.18 or later`,
        )
      : error;
  }
  const found = exports[name];
  if (found instanceof Module) return found;
  if (typeof found === "function") {
    const made: unknown = found.prototype instanceof Module ? new (found as new () => Module)() : await found();
    if (made instanceof Module) return made;
  }
  const names = Object.keys(exports).join(", ") || "nothing";
  throw new UsageError(
    `${file} exports ${names}, but "${name}" is no Module, no class of one, and no function that returns one`,
  );
}

// Values of flags

export function parseShape(text: string): number[] {
  const sizes = text.split(/[,x×]/).map(Number);
  if (sizes.length !== 4 || !sizes.every((size) => Number.isInteger(size) && size > 0)) {
    throw new InvalidArgumentError("It has to be four sizes N,C,H,W, such as 1,3,224,224.");
  }
  return sizes;
}

export function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 0) throw new InvalidArgumentError("It has to be a whole number.");
  return count;
}

export function parseNumber(text: string): number {
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number)) throw new InvalidArgumentError("It has to be a number.");
  return number;
}

/** Names separated by commas, each one of those allowed. */
export function parseNames<T extends string>(allowed: readonly T[]): (text: string) => T[] {
  return (text) =>
    text.split(",").map((name) => {
      const found = allowed.find((other) => other === name.trim());
      if (found === undefined)
        throw new InvalidArgumentError(`There is no "${name}"; there are ${allowed.join(", ")}.`);
      return found;
    });
}

// Output

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export const printJson = (value: unknown): void => print(JSON.stringify(value, null, 2));

export const grouped = (value: number): string => value.toLocaleString("en-US");

/** Rows as columns of text; numbers stand at the right. The first row is underlined. */
export function printTable(rows: readonly (readonly string[])[], { markdown = false } = {}): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => [...(row[column] ?? "")].length)));
  const numeric = (text: string) => /^[\d,.]+ ?[a-zA-Z×%]*$/.test(text);
  const right = widths.map((_, column) =>
    rows.slice(1).every((row) => row[column] === "" || numeric(row[column] ?? "")),
  );
  const line = (row: readonly string[]) =>
    row.map((text, column) => (right[column] ? text.padStart(widths[column]!) : text.padEnd(widths[column]!)));
  const [head, ...body] = rows.map(line);
  const rule = widths.map((width, column) =>
    markdown && right[column] ? `${"-".repeat(width - 1)}:` : "-".repeat(width),
  );
  for (const cells of [head!, rule, ...body]) print(markdown ? `| ${cells.join(" | ")} |` : cells.join("  ").trimEnd());
}
