import { Command } from "commander";
import { VERSION } from "../version.ts";
import { fail, red } from "./support.ts";

/** The commands: a line for the list, and the file of each, which is imported only when the command runs. */
const COMMANDS = {
  train: ["train a network on a data set", () => import("./train.ts")],
  launch: ["start a training on several ranks, and restart it if one dies", () => import("./launch.ts")],
  runs: ["list runs, or compare them", () => import("./runs.ts")],
  eval: ["evaluate trained weights on a data set", () => import("./eval.ts")],
  classify: ["classify images", () => import("./classify.ts")],
  look: [
    "look inside a network: feature maps, Grad-CAM, saliency, what a channel responds to",
    () => import("./look.ts"),
  ],
  predict: ["compute the outputs of a network: .npy and .npz in and out", () => import("./predict.ts")],
  models: ["list the available networks", () => import("./models.ts")],
  summary: ["show a network as a table of layers, like torchinfo", () => import("./summary.ts")],
  studio: ["see networks in the browser", () => import("./studio.ts")],
  draw: ["draw a network's architecture, also as an interactive page", () => import("./draw.ts")],
  compare: ["compare two networks or blocks", () => import("./compare.ts")],
  export: ["write a network as an .onnx file", () => import("./export.ts")],
  convert: ["convert weights between PyTorch, safetensors and ONNX", () => import("./convert.ts")],
  inspect: ["say what a file or folder is, and what fits it", () => import("./inspect.ts")],
} as const satisfies Record<string, readonly [line: string, load: () => Promise<{ command: Command }>]>;

/** What an option of other commands is called here. */
const ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  "--input": ["--input-size <pixels>"],
  "--input-size": ["--input <N,C,H,W>"],
  "--run": ["--out <dir>"],
  "--size": ["--input-size <pixels>", "--input <N,C,H,W>"],
};

/** The message about an unknown option, with what the option is called in this command. */
function withHint(text: string, command: Command | undefined): string {
  const [line = "", asked = ""] = /^error: unknown option '(--[\w-]+)'/.exec(text) ?? [];
  const flags = command?.options.map((option) => option.flags.replace(/^-\w, /, "")) ?? [];
  const known = ELSEWHERE[asked]?.find((flag) => flags.includes(flag));
  return known === undefined ? text : `${line}; here it is ${known}\n`;
}

async function parse(args: readonly string[]): Promise<void> {
  let running: Command | undefined;
  const program = new Command("convnets")
    .description("Train convolutional networks, look at them, and exchange them with PyTorch and ONNX.")
    .version(VERSION, "-v, --version")
    .showHelpAfterError('(add "--help" for help)')
    .configureOutput({ outputError: (text, write) => write(red(withHint(text, running))) })
    .exitOverride()
    .enablePositionalOptions()
    .addHelpText(
      "after",
      `
Examples:
  convnets train --data ./photos                 a folder with one subfolder of images per class
  convnets classify photo.jpg --weights run/…    with the weights of a run
  convnets summary googlenet

"convnets <command> --help" shows details.`,
    );
  const wanted = args[0] === "help" ? args[1] : args[0];
  for (const [name, [line, load]] of Object.entries(COMMANDS)) {
    const command = name === wanted ? (await load()).command : new Command(name);
    if (name === wanted) running = command;
    program.addCommand(command.copyInheritedSettings(program).summary(line));
  }
  await program.parseAsync(args, { from: "user" });
}

/** Runs a command. What goes wrong is printed, and sets the exit code of the process. */
export async function run(args: readonly string[]): Promise<void> {
  try {
    await parse(args);
  } catch (error) {
    fail(error);
  }
}
