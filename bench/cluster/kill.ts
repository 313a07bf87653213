/**
 * Kills ranks at random moments, one of them while the checkpoint is written, and cuts the network between hosts; then continues with
 * another number of ranks. Checks that nothing hangs, that exit codes are right, and that each finished run has the bytes of one process.
 *
 *     npm run build && npx tsx bench/cluster/kill.ts [--kills 30] [--cuts 2] [--seed 1]
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { hostsReason, makeHosts } from "./hosts.ts";

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "30" },
    cuts: { type: "string", default: "2" },
    seed: { type: "string", default: "1" },
  },
});
const CLI = fileURLToPath(new URL("../../dist/bundle/cli/main.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "convnets-kill-"));
const env = { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1" };

/** A hundred steps on generated images; the checkpoint is written after each. */
const train = (out: string) => [
  ...[CLI, "train", "lenet5", "--data", "shapes", "--batch-size", "100", "--shards", "4", "--epochs", "1"],
  ...[
    "--checkpoint-every",
    "1",
    "--threads",
    "1",
    "--workers",
    "0",
    "--no-report",
    "--quiet",
    "--out",
    out,
    "--continue",
  ],
];

let state = Number(values.seed);
/** 0 … 1 */
function random(): number {
  state = (state * 1103515245 + 12345) % 2 ** 31;
  return state / 2 ** 31;
}
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const bytes = (out: string) => readFileSync(join(out, "last.safetensors"));

function start(words: readonly string[]): ChildProcess & { ended: Promise<number>; text: () => string } {
  const child = spawn(words[0]!, words.slice(1), { stdio: ["ignore", "pipe", "pipe"], env });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream!.on("data", (chunk) => (text += chunk));
  const ended = new Promise<number>((resolve) =>
    child.on("close", (code, signal) => resolve(code ?? (signal ? 128 : 1))),
  );
  return Object.assign(child, { ended, text: () => text });
}

function descendants(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean);
    return children.map(Number).flatMap((child) => [child, ...descendants(child)]);
  } catch {
    return [];
  }
}
/** Processes that train. */
const ranksOf = (pid: number) =>
  descendants(pid).filter((one) => {
    try {
      const command = readFileSync(`/proc/${one}/cmdline`, "utf8").split("\0");
      return command[0] === process.execPath && command[2] === "train";
    } catch {
      return false;
    }
  });

/** A file that is being written has another name until it is complete. */
const isWriting = (out: string) =>
  existsSync(out) && readdirSync(out).some((name) => name.includes("last.safetensors") && name !== "last.safetensors");

const one = join(folder, "one");
console.log("one process …");
if (spawnSync(process.execPath, train(one), { stdio: "inherit", env }).status !== 0) throw new Error("the run failed");
const expected = bytes(one);

const on = (ranks: number, out: string) => [
  ...["mpirun.openmpi", "--oversubscribe", "--bind-to", "none", "-n", `${ranks}`],
  ...[process.execPath, ...train(out)],
];
let [kills, finished, runs, whileWriting, slowest, stuck] = [0, 0, 0, 0, 0, 0];
let out = "";
let duration = 4000;
const newRun = () => {
  out = join(folder, `run${runs++}`);
};
/** Waits for the end after something was broken. Throws if that takes too long, or if the exit code says that all is well. */
async function broken(run: ReturnType<typeof start>, what: string, limit: number): Promise<void> {
  const since = performance.now();
  const code = await Promise.race([run.ended, sleep(limit).then(() => undefined)]);
  if (code === undefined) {
    if (ranksOf(run.pid!).length > 0) throw new Error(`${what}: still running after ${limit} ms\n${run.text()}`);
    // mpirun itself, as may happen where a rank dies while it joins the others; `convnets launch` ends it too
    console.log(`${what}: all ranks have ended, but mpirun has not`);
    stuck++;
    run.kill("SIGKILL");
    return;
  }
  if (code === 0) throw new Error(`${what}: exit code 0\n${run.text()}`);
  slowest = Math.max(slowest, performance.now() - since);
  console.log(`${what}: code ${code} after ${((performance.now() - since) / 1000).toFixed(1)} s`);
}

newRun();
while (kills < Number(values.kills)) {
  const ranks = [2, 4][Math.floor(random() * 2)]!;
  const run = start(on(ranks, out));
  const began = performance.now();
  // every third time, the moment at which a checkpoint is written
  const atWriting = kills % 3 === 2;
  const moment = random() * duration;
  while (run.exitCode === null && (atWriting ? !isWriting(out) : performance.now() - began < moment))
    await sleep(atWriting ? 0 : 5);
  const all = ranksOf(run.pid!);
  const victim = atWriting ? all[0] : all[Math.floor(random() * all.length)];
  if (run.exitCode !== null || victim === undefined) {
    if ((await run.ended) !== 0) throw new Error(run.text());
    duration = Math.max(1000, 0.9 * duration);
    if (!bytes(out).equals(expected)) throw new Error(`${out}: other bytes than one process`);
    finished++;
    newRun();
    continue;
  }
  const writing = isWriting(out);
  process.kill(victim, "SIGKILL");
  kills++;
  if (writing) whileWriting++;
  await broken(
    run,
    `kill ${kills}, ${all.length} of ${ranks} ranks up${writing ? ", a checkpoint half written" : ""}`,
    10_000,
  );
}

// what the last kill left
const last = start(on(4, out));
if ((await last.ended) !== 0) throw new Error(last.text());
if (!bytes(out).equals(expected)) throw new Error(`${out}: other bytes than one process`);
finished++;

const reason = hostsReason();
if (reason !== undefined) console.log(`no cuts: ${reason}`);
for (let cut = 1; reason === undefined && cut <= Number(values.cuts); cut++) {
  newRun();
  const hosts = makeHosts(2);
  try {
    const launch = [process.execPath, CLI, "launch", "--max-restarts", "1", "--"];
    const run = start([...launch, ...hosts.mpirun, "-n", "2", process.execPath, ...train(out)]);
    while (run.exitCode === null && !existsSync(join(out, "last.safetensors"))) await sleep(20);
    const [, other] = hosts.names as readonly [string, string];
    hosts.cut(other);
    const since = performance.now();
    const seconds = () => ((performance.now() - since) / 1000).toFixed(1);
    while (run.exitCode === null && !run.text().includes("stops all ranks")) {
      if (performance.now() - since > 30_000) throw new Error(`cut ${cut}: nobody noticed\n${run.text()}`);
      await sleep(50);
    }
    const noticed = seconds();
    hosts.rejoin(other);
    if ((await run.ended) !== 0) throw new Error(run.text());
    if (!bytes(out).equals(expected)) throw new Error(`${out}: other bytes than one process`);
    finished++;
    console.log(`cut ${cut}: noticed after ${noticed} s, restarted and finished after ${seconds()} s`);
  } finally {
    hosts.remove();
  }
}
console.log(
  `${kills} kills, ${whileWriting} while a checkpoint was written: ${finished} runs finished, all with the bytes of one process; the slowest end took ${(slowest / 1000).toFixed(1)} s; mpirun was stuck ${stuck} times`,
);
rmSync(folder, { recursive: true, force: true });
