#!/usr/bin/env node
import { Command } from "commander";
import { VERSION } from "../version.ts";
import { fail, red, watchOutput } from "./support.ts";

/** A command: its line in the list, and the file that has the rest, which is read only when the command runs. */
const COMMANDS = {
  summary: ["show a network as a table of layers, as torchinfo does", () => import("./summary.ts")],
  models: ["list the networks there are", () => import("./models.ts")],
  draw: ["draw a network's architecture as SVG", () => import("./draw.ts")],
  compare: ["set two networks or blocks side by side", () => import("./compare.ts")],
  train: ["train a network on a data set", () => import("./train.ts")],
  eval: ["measure trained weights on a data set", () => import("./eval.ts")],
  classify: ["say what pictures show", () => import("./classify.ts")],
  export: ["write a network as an .onnx file", () => import("./export.ts")],
  inspect: ["show what a weight file or an .onnx file holds", () => import("./inspect.ts")],
  convert: ["convert weights between PyTorch, safetensors and ONNX", () => import("./convert.ts")],
  runs: ["list trainings, or set two side by side", () => import("./runs.ts")],
} as const satisfies Record<string, readonly [line: string, load: () => Promise<{ command: Command }>]>;

async function main(args: readonly string[]): Promise<void> {
  const program = new Command("convnets")
    .description("Convolutional networks: see them, train them, exchange them.")
    .version(VERSION, "-v, --version")
    .showHelpAfterError('(add "--help" for help)')
    .configureOutput({ outputError: (text, write) => write(red(text)) })
    .exitOverride()
    .enablePositionalOptions()
    .addHelpText(
      "after",
      `
Examples:
  convnets summary googlenet --depth 4
  convnets compare inception naive_inception
  convnets train nin --data cifar10

"convnets <command> --help" tells more of each.`,
    );
  const wanted = args[0] === "help" ? args[1] : args[0];
  for (const [name, [line, load]] of Object.entries(COMMANDS)) {
    const command = name === wanted ? (await load()).command : new Command(name);
    program.addCommand(command.copyInheritedSettings(program).summary(line));
  }
  await program.parseAsync(args, { from: "user" });
}

watchOutput();

try {
  await main(process.argv.slice(2));
} catch (error) {
  fail(error);
}
