import { spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { Command } from "commander";
import { DATASET_NAMES } from "../data/node/index.ts";
import { MODELS } from "../models/index.ts";
import { isNetworkFile, type StudioView, serveStudio } from "../studio/node/index.ts";
import { isRun } from "./network.ts";
import { parseCount, print, UsageError } from "./support.ts";

interface Flags {
  port?: number;
  open: boolean;
}

/** The folder to serve, and what to show first. */
function targetOf(target: string | undefined): StudioView & { readonly folder: string } {
  if (target === undefined) return { folder: process.cwd() };
  if (Object.hasOwn(MODELS, target)) return { folder: process.cwd(), net: target };
  if (!existsSync(target))
    throw new UsageError(
      `there is no file, folder or network ${target}; the networks are ${Object.keys(MODELS).join(", ")}`,
    );
  const path = resolve(target);
  if (!statSync(path).isDirectory()) {
    if (!isNetworkFile(path))
      throw new UsageError(`the studio opens .onnx, .pth, .pt and .safetensors files, not ${target}`);
    return { folder: dirname(path), net: `file:${basename(path)}` };
  }
  if (isRun(path)) return { folder: path, panel: "runs", runs: ["."] };
  return { folder: path, ...(holdsRuns(path) && { panel: "runs" }) };
}

/** Whether a folder is one of runs, such as run/. */
const holdsRuns = (folder: string): boolean =>
  readdirSync(folder, { withFileTypes: true }).some((entry) => entry.isDirectory() && isRun(join(folder, entry.name)));

/** The command line itself, for trainings in processes of their own. */
const SELF = [process.execPath, ...process.execArgv, resolve(process.argv[1]!)] as [string, ...string[]];

/** The program that opens an address in the reader's browser. */
const OPENERS: Readonly<Partial<Record<NodeJS.Platform, readonly [string, ...string[]]>>> = {
  darwin: ["open"],
  win32: ["cmd", "/c", "start", '""'],
};

/** Opens the browser; where there is none, the printed address has to do. */
function openBrowser(address: string): void {
  const [program, ...args] = OPENERS[process.platform] ?? ["xdg-open"];
  const quoted = process.platform === "win32" ? `"${address}"` : address;
  spawn(program, [...args, quoted], { detached: true, stdio: "ignore", windowsVerbatimArguments: true })
    .on("error", () => undefined)
    .unref();
}

export const command = new Command("studio")
  .description(
    "See networks in the browser: their layers, shapes, parameters and costs. Watch, compare and start trainings of the folder.",
  )
  .argument("[target]", "a network, an .onnx or weight file, the folder of a run, or a folder with networks and runs")
  .option("--port <number>", "port on this machine (default: one that is free)", parseCount)
  .option("--no-open", "print the address without opening the browser")
  .addHelpText(
    "after",
    `
Examples:
  convnets studio
  convnets studio resnet18.onnx
  convnets studio run                    the runs of a folder, live
  convnets studio googlenet --no-open`,
  )
  .action(async (target: string | undefined, { port, open }: Flags) => {
    const { folder, ...view } = targetOf(target);
    const train = { command: SELF, networks: Object.keys(MODELS), data: DATASET_NAMES };
    const server = await serveStudio({ folder, train, ...(port !== undefined && { port }) }).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === "EADDRINUSE")
          throw new UsageError(`port ${port} is in use; leave out --port for one that is free`);
        throw error;
      },
    );
    const address = server.address(view);
    print(`The studio is at ${address}`);
    print("Press Ctrl+C to stop.");
    if (open) openBrowser(address);
    let ending = false;
    const end = () => {
      // the second time, at once
      if (ending) process.exit(130);
      ending = true;
      server.close().finally(() => process.exit(0));
    };
    process.on("SIGINT", end).on("SIGTERM", end).on("SIGHUP", end);
  });
