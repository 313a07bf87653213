import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { RUN_FILES } from "../runs/node/index.ts";
import { note, parseCount, UsageError } from "./support.ts";

/** Exit codes after which nothing is started again: done, wrong usage, stopped with Ctrl-C. */
const FINAL = [0, 2, 130];
/** ms before a command is started again; hosts need a moment to clean up. */
const PAUSE = 1000;

/** What ranks or MPI print when they end all ranks, or when a rank has died. */
const BROKEN = /stops all ranks|MPI_ABORT was invoked|MPI_Abort\(|noticed that process rank \d|BAD TERMINATION OF ONE/;
/**
 * ms from there until the command is asked to end, and then until it is killed: mpirun waits for hosts that are gone, and sometimes for
 * nothing at all if a rank died while it joined the others.
 */
const PATIENCE = 10_000;
const LAST_RESORT = 5000;
/** ms until what it printed last has been read. */
const DRAIN = 1000;

/** Runs a command with this process's streams, and passes signals on. Returns its exit code, or 128 + the signal that ended it. */
async function run([program, ...args]: readonly string[]): Promise<{ code: number; asked: boolean }> {
  let asked = false;
  // a group of its own, to be killed as a whole
  const child = spawn(program!, args, { stdio: ["inherit", "inherit", "pipe"], detached: true });
  const passOn = (signal: NodeJS.Signals) => {
    asked = true;
    child.kill(signal);
  };
  const timers: NodeJS.Timeout[] = [];
  const end = () => {
    note("The ranks have stopped, but the command has not: ending it.");
    child.kill("SIGTERM");
    timers.push(setTimeout(() => killGroup(child.pid!), LAST_RESORT));
  };
  let tail = "";
  child.stderr!.on("data", (chunk: Buffer) => {
    process.stderr.write(chunk);
    tail = (tail + chunk).slice(-2000);
    if (timers.length === 0 && BROKEN.test(tail)) timers.push(setTimeout(end, PATIENCE));
  });
  const signals = ["SIGINT", "SIGTERM", "SIGUSR2"] as const;
  for (const signal of signals) process.on(signal, passOn);
  try {
    return await new Promise((resolve, reject) => {
      child.once("error", (error) => reject(new UsageError(`${program} cannot be started: ${error.message}`)));
      child.once("exit", (code, signal) => {
        const ended = () => resolve({ code: code ?? (signal === "SIGKILL" ? 137 : 143), asked });
        child.stderr!.once("close", ended);
        // processes that it left behind may hold the other end
        timers.push(setTimeout(ended, DRAIN));
      });
    });
  } finally {
    for (const signal of signals) process.off(signal, passOn);
    for (const timer of timers) clearTimeout(timer);
    child.stderr!.destroy();
  }
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // it ended by itself
  }
}

/** Whether the loss diverged, which it would do again. */
function diverged(dir: string): boolean {
  const file = join(dir, RUN_FILES.metrics);
  return existsSync(file) && readFileSync(file, "utf8").slice(-2000).includes('"reason":"diverged"');
}

async function launch(words: readonly string[], { maxRestarts }: { maxRestarts: number }): Promise<void> {
  const out = words.indexOf("--out");
  const dir = words[out + 1];
  if (!words.includes("train") || out < 0 || dir === undefined)
    throw new UsageError(
      "launch starts a training in a folder that it can continue: convnets launch -- mpirun -n 2 convnets train … --out run/name",
    );
  const command = words.includes("--continue") ? words : [...words, "--continue"];
  for (let restarts = 0; ; restarts++) {
    const { code, asked } = await run(command);
    process.exitCode = code;
    if (FINAL.includes(code) || asked || diverged(dir)) return;
    if (restarts === maxRestarts) {
      note(`Ended with code ${code} after ${restarts} restart${restarts === 1 ? "" : "s"}.`);
      return;
    }
    note(`Ended with code ${code}; restart ${restarts + 1} of ${maxRestarts}.`);
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}

export const command = new Command("launch")
  .description(
    "Start a training, and restart it from its last checkpoint if a rank or host dies. It is not restarted after wrong settings, Ctrl-C, or a loss that is not finite.",
  )
  .argument("<command...>", "mpirun and what it runs, after --")
  .option("--max-restarts <n>", "how often to start again", parseCount, 3)
  .passThroughOptions()
  .addHelpText(
    "after",
    `
Examples:
  convnets launch --max-restarts 5 -- mpirun -n 8 convnets train googlenet --data ./photos --out run/photos`,
  )
  .action(launch);
