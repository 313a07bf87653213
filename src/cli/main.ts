#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { VERSION } from "../version.ts";
import { UsageError } from "./support.ts";

/** A command: what is needed to list it, and the file that has the rest, which is read only when it is asked for. */
const COMMANDS = {
  summary: () => import("./summary.ts"),
  models: () => import("./models.ts"),
  draw: () => import("./draw.ts"),
  compare: () => import("./compare.ts"),
  train: () => import("./train.ts"),
  eval: () => import("./eval.ts"),
  runs: () => import("./runs.ts"),
} as const satisfies Record<string, () => Promise<{ command: Command }>>;

async function main(args: readonly string[]): Promise<void> {
  const program = new Command("convnets")
    .description("Convolutional networks: see them, train them, exchange them.")
    .version(VERSION, "-v, --version")
    .showHelpAfterError('(add "--help" for help)')
    .exitOverride()
    .enablePositionalOptions();
  // only the command that runs is loaded; help lists all
  const wanted = Object.hasOwn(COMMANDS, args[0] ?? "") ? [args[0] as keyof typeof COMMANDS] : keys(COMMANDS);
  for (const name of wanted) program.addCommand((await COMMANDS[name]()).command.copyInheritedSettings(program));
  await program.parseAsync(args, { from: "user" });
}

function keys<T extends object>(record: T): (keyof T)[] {
  return Object.keys(record) as (keyof T)[];
}

/** Exit code 1: it failed; 2: it was asked for wrongly. */
function fail(error: unknown): void {
  if (error instanceof CommanderError) {
    // commander has printed what there is to say
    process.exitCode = error.exitCode === 0 ? 0 : 2;
    return;
  }
  const message = error instanceof Error ? error.message : String(error);
  const red = process.stderr.isTTY && !process.env.NO_COLOR;
  process.stderr.write(`${red ? "\x1b[31m" : ""}error: ${message}${red ? "\x1b[0m" : ""}\n`);
  if (process.env.CONVNETS_DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

// a reader that has seen enough ("| head") is no error
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

try {
  await main(process.argv.slice(2));
} catch (error) {
  fail(error);
}
