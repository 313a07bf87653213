import { inspect } from "node:util";
import { CommanderError, InvalidArgumentError } from "commander";
import { type Corrupt, DataError } from "../data/index.ts";

/** A mistake of the person at the keyboard: exit code 2. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** Prints what went wrong and sets the exit code: 1 where something failed, 2 where it was asked for wrongly. */
export function fail(error: unknown): void {
  if (error instanceof CommanderError) {
    // commander has printed what there is to say; asking for help is no mistake
    process.exitCode = error.exitCode === 0 ? 0 : 2;
    return;
  }
  const hint = error instanceof DataError && error.skippable ? "\n--skip-corrupt leaves it out and goes on" : "";
  const message = `${error instanceof Error ? error.message : error}${hint}`;
  process.stderr.write(`${red(`error: ${message}`)}\n`);
  if (process.env.CONVNETS_DEBUG) process.stderr.write(`${inspect(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

/** Text for standard error, red on a terminal. */
export function red(text: string): string {
  return process.stderr.isTTY && !process.env.NO_COLOR ? `\x1b[31m${text}\x1b[39m` : text;
}

// Output that cannot be written

let outputLost = (error: NodeJS.ErrnoException): void => {
  // a reader that has seen enough ("| head") is no error
  if (error.code !== "EPIPE") fail(new Error(`the output cannot be written: ${error.message}`));
  process.exit();
};

/** Watches the output: what is written to a reader that is gone, or a disk that is full, is lost. */
export function watchOutput(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on("error", (error) => outputLost(error));
}

/** Says what to do when output is lost, in place of ending at once. It may be called several times. */
export function onOutputLost(act: (error: NodeJS.ErrnoException) => void): void {
  outputLost = act;
}

// Data

/** Files that a message names at most. */
const NAMED = 10;

/** What was left out because --skip-corrupt asks for that, in lines. */
export function skippedLines(skipped: readonly Corrupt[]): string[] {
  const lines = skipped.slice(0, NAMED).map(({ file, reason }) => `Left out ${file}: ${reason}`);
  return skipped.length > NAMED ? [...lines, `Left out ${skipped.length - NAMED} more.`] : lines;
}

// Values of flags

/** The shape of an input, or the shapes of several by name. */
export type InputShape = readonly number[] | Readonly<Record<string, readonly number[]>>;

export const isShape = (input: InputShape): input is readonly number[] => Array.isArray(input);

/** What `--input` says in the help of a command that takes several inputs. */
export const INPUTS_HELP = "shape of the input; of several inputs: --input a=1,3,32,32,b=1,10";

/** Sizes, `1,3,224,224`; several inputs by name, `a=1,3,32,32,b=1,10`, in one option or in one that is repeated. */
export function parseInput(text: string, previous?: InputShape): InputShape {
  const parts = text.split(/,(?=[A-Za-z_][\w.:/-]*=)/);
  let found = previous;
  for (const part of parts) found = oneMore(part, found);
  return found!;
}

function oneMore(text: string, previous?: InputShape): InputShape {
  const [, name, sizes] = /^([A-Za-z_][\w.:/-]*)=(.*)$/s.exec(text) ?? [];
  if (name === undefined) {
    if (previous !== undefined) throw new InvalidArgumentError("Several inputs need names: a=1,3,32,32,b=1,10.");
    return parseShape(text);
  }
  const shape = sizes!.split(/[,x×]/).map(Number);
  if (!shape.every(isSize)) throw new InvalidArgumentError(`${name} has to be sizes such as ${name}=1,3,224,224.`);
  if (previous !== undefined && isShape(previous))
    throw new InvalidArgumentError("Several inputs need names: a=1,3,32,32,b=1,10.");
  return { ...previous, [name]: shape };
}

const isSize = (size: number) => Number.isInteger(size) && size > 0;

export function parseShape(text: string): number[] {
  const sizes = text.split(/[,x×]/).map(Number);
  if (sizes.length !== 4 || !sizes.every(isSize)) {
    throw new InvalidArgumentError("It has to be four sizes N,C,H,W, such as 1,3,224,224.");
  }
  return sizes;
}

export function parseCount(text: string): number {
  const count = Number(text);
  if (text.trim() === "" || !Number.isInteger(count) || count < 0)
    throw new InvalidArgumentError("It has to be a whole number.");
  return count;
}

/** A whole number above 0. */
export function parsePositive(text: string): number {
  const count = parseCount(text);
  if (count === 0) throw new InvalidArgumentError("It has to be above 0.");
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

/** A line on stderr: what was assumed, and other things that are no results. */
export const note = (line: string): void => void process.stderr.write(`${line}\n`);

/** This command as whoever called it can call it again: npm puts it on the path only while it runs. */
export const self = (): string => (process.env.npm_command === undefined ? "convnets" : "npx convnets");

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export const printJson = (value: unknown): void => print(JSON.stringify(value, null, 2));

/** Numbers, parts such as 3/20, and "–" where there is none. */
const NUMERIC = /^(–|[\d,.×/]+ ?[a-zA-Z×%]*)$/;
/** Characters below which a last column that does not fit on the terminal is left out rather than cut. */
const READABLE = 16;

/**
 * Rows as columns of text, the first one underlined; numbers stand at the right. On a terminal that is too narrow, the last
 * column is cut or left out; pipes and files get everything.
 */
export function printTable(rows: readonly (readonly string[])[], { markdown = false } = {}): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => [...(row[column] ?? "")].length)));
  const right = widths.map((_, column) =>
    rows.slice(1).every(({ [column]: text = "" }) => text === "" || NUMERIC.test(text)),
  );
  if (!markdown) narrow(widths, process.stdout.columns);
  const line = (row: readonly string[]) =>
    widths.map((width, column) => {
      const text = cut(row[column] ?? "", width);
      const space = " ".repeat(width - [...text].length);
      return right[column] ? space + text : text + space;
    });
  const rule = widths.map((width, column) =>
    markdown && right[column] ? `${"-".repeat(width - 1)}:` : "-".repeat(width),
  );
  const [head, ...body] = rows.map(line);
  for (const cells of [head!, rule, ...body]) print(markdown ? `| ${cells.join(" | ")} |` : cells.join("  ").trimEnd());
}

/** Makes the last column smaller, or takes it out, where the others leave less than it needs. */
function narrow(widths: number[], columns = Number.POSITIVE_INFINITY): void {
  const others = widths.slice(0, -1).reduce((sum, width) => sum + width + 2, 0);
  const last = widths.pop()!;
  if (columns - others >= Math.min(READABLE, last)) widths.push(Math.min(last, columns - others));
}

function cut(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join("")}…`;
}
