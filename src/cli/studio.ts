import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { Command } from "commander";
import { MODELS } from "../models/index.ts";
import { isNetworkFile, serveStudio } from "../studio/node/index.ts";
import { isRun } from "./network.ts";
import { parseCount, print, UsageError } from "./support.ts";

interface Flags {
  port?: number;
  open: boolean;
}

/** The weights of a run that are worth seeing. */
const BEST = "best.safetensors";

/** The folder to serve, and what to show first. */
function targetOf(target: string | undefined): { folder: string; net?: string } {
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
  return { folder: path, ...(isRun(path) && existsSync(join(path, BEST)) && { net: `file:${BEST}` }) };
}

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
  .description("See networks in the browser: their layers, shapes, parameters and costs.")
  .argument("[target]", "a network, an .onnx or weight file, the folder of a run, or a folder with networks")
  .option("--port <number>", "port on this machine (default: one that is free)", parseCount)
  .option("--no-open", "print the address without opening the browser")
  .addHelpText(
    "after",
    `
Examples:
  convnets studio
  convnets studio resnet18.onnx
  convnets studio googlenet --no-open`,
  )
  .action(async (target: string | undefined, { port, open }: Flags) => {
    const { folder, net } = targetOf(target);
    const server = await serveStudio({ folder, ...(port !== undefined && { port }) }).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === "EADDRINUSE")
          throw new UsageError(`port ${port} is in use; leave out --port for one that is free`);
        throw error;
      },
    );
    const address = server.address(net);
    print(`The studio is at ${address}`);
    print("Press Ctrl+C to stop.");
    if (open) openBrowser(address);
  });
