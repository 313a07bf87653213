/** Trainings on several ranks as people start them: by mpirun. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { shapes } from "../../src/data/index.ts";
import { CLI, convnets } from "../cli/run.ts";
import { unless } from "../support/skip.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-ranks-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const data = join(folder, "data");

/** Small pictures as a CIFAR folder: label, then 3·32·32 bytes. The last batch is not full. */
beforeAll(() => {
  mkdirSync(data);
  const files = [1, 2, 3, 4, 5].map((i) => [`data_batch_${i}.bin`, "train", i] as const);
  for (const [file, split, seed] of [...files, ["test_batch.bin", "test", 0] as const]) {
    const { memory } = shapes({ split, seed, length: 5 });
    const bytes = new Uint8Array(5 * 3073);
    for (let i = 0; i < 5; i++) {
      bytes[i * 3073] = memory.labels![i]!;
      bytes.set(memory.images.subarray(i * 3072, (i + 1) * 3072), i * 3073 + 1);
    }
    writeFileSync(join(data, file), bytes);
  }
});

const SETTINGS = ["--batch-size", "16", "--shards", "4", "--threads", "1", "--workers", "0", "--checkpoint-every", "1"];
const train = (network: string, out: string, epochs = 1) => [
  "train",
  network,
  "--data",
  data,
  ...SETTINGS,
  "--epochs",
  `${epochs}`,
  "--no-report",
  "--quiet",
  "--out",
  out,
];

const found = (command: string) =>
  (process.env.PATH ?? "").split(delimiter).some((dir) => existsSync(join(dir, command)));
const koffi = existsSync(new URL("../../node_modules/koffi", import.meta.url));
const lack = (command: string) =>
  !koffi ? "koffi is not installed" : found(command) ? undefined : `there is no ${command}`;

type Launcher = "mpirun.openmpi" | "mpirun.mpich";
const FLAGS = { "mpirun.openmpi": ["--oversubscribe"], "mpirun.mpich": [] };

function start(launcher: Launcher, ranks: number, args: readonly string[]): ChildProcess & { ended: Promise<Ended> } {
  const child = spawn(launcher, [...FLAGS[launcher], "-n", `${ranks}`, process.execPath, CLI, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1" },
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream!.on("data", (chunk) => (text += chunk));
  const ended = new Promise<Ended>((resolve) => child.on("close", (code) => resolve({ code, text })));
  return Object.assign(child, { ended });
}

interface Ended {
  readonly code: number | null;
  readonly text: string;
}

async function trained(launcher: Launcher, ranks: number, network: string, name: string): Promise<Buffer> {
  const out = join(folder, name);
  const { code, text } = await start(launcher, ranks, train(network, out)).ended;
  expect(code, text).toBe(0);
  return last(name);
}

/** Weights, state of the optimizer, and sums of the losses. */
const last = (name: string) => readFileSync(join(folder, name, "last.safetensors"));
const losses = (name: string) =>
  readFileSync(join(folder, name, "metrics.jsonl"), "utf8")
    .split("\n")
    .map((line) => /"loss":[\d.e-]+/.exec(line)?.[0]);

const alone = new Map<string, Buffer>();
function inOneProcess(network: string): Buffer {
  const known = alone.get(network);
  if (known) return known;
  const { status, stderr } = convnets(train(network, join(folder, network)));
  expect(status, stderr).toBe(0);
  alone.set(network, last(network));
  return last(network);
}

/** Several processes share the cores with other tests. */
const TIMEOUT = 240_000;

describe("Open MPI", { timeout: TIMEOUT, ...unless(lack("mpirun.openmpi")) }, () => {
  test.each([
    ["nin", 2],
    ["nin", 4],
    ["inception_small", 2],
  ] as const)("%s on %i ranks gives the bytes of one process", async (network, ranks) => {
    const one = inOneProcess(network);
    const name = `${network}-${ranks}`;
    expect((await trained("mpirun.openmpi", ranks, network, name)).equals(one)).toBe(true);
    expect(losses(name)).toEqual(losses(network));
    const { ranks: times, slowest } = JSON.parse(
      readFileSync(join(folder, name, "metrics.jsonl"), "utf8").split("\n")[0]!,
    );
    expect([times, slowest]).toEqual([ranks, expect.stringMatching(/^rank \d on /)]);
  });

  test("a rank is killed; the run goes on with another number of ranks, to the same bytes", async () => {
    const one = inOneProcess("inception_small");
    const out = join(folder, "killed");
    const run = start("mpirun.openmpi", 2, train("inception_small", out));
    while (!existsSync(join(out, "last.safetensors")) && run.exitCode === null)
      await new Promise((r) => setTimeout(r, 20));
    process.kill(ranksOf(run.pid!)[1]!, "SIGKILL");
    const killed = performance.now();
    const { code, text } = await run.ended;
    expect(performance.now() - killed).toBeLessThan(10_000);
    expect(code).not.toBe(0);
    expect(text).toMatch(/rank 1 .* on node \S+ exited on signal 9/);
    const resumed = await start("mpirun.openmpi", 4, ["train", "--resume", out, "--no-report", "--quiet"]).ended;
    expect(resumed.code, resumed.text).toBe(0);
    expect(last("killed").equals(one)).toBe(true);
    expect(losses("killed")).toEqual(losses("inception_small"));
  });

  test("SIGUSR2 to mpirun saves and stops all ranks", async () => {
    const out = join(folder, "stopped");
    const run = start("mpirun.openmpi", 2, train("inception_small", out, 50));
    while (!existsSync(join(out, "last.safetensors")) && run.exitCode === null)
      await new Promise((r) => setTimeout(r, 20));
    run.kill("SIGUSR2");
    const { code, text } = await run.ended;
    expect(code, text).not.toBe(0);
    expect(readFileSync(join(out, "metrics.jsonl"), "utf8"), text).toContain('"reason":"stopped"');
  });

  test("ranks that cannot share the shards are refused by one line, with the numbers that can", async () => {
    const { code, text } = await start("mpirun.openmpi", 3, train("nin", join(folder, "refused"))).ended;
    expect(code).toBe(2);
    expect(text.match(/^error: .*$/gm)).toEqual([
      "error: batches are cut into 4 shards, which 3 ranks cannot share evenly; start 1, 2 or 4 ranks",
    ]);
  });
});

describe("MPICH", { timeout: TIMEOUT, ...unless(lack("mpirun.mpich")) }, () => {
  test("two ranks give the bytes of one process", async () => {
    const one = inOneProcess("inception_small");
    expect((await trained("mpirun.mpich", 2, "inception_small", "mpich")).equals(one)).toBe(true);
  });
});

test("a launcher without its library: what to install", () => {
  const env = { OMPI_COMM_WORLD_SIZE: "2", CONVNETS_MPI: "/nowhere/libmpi.so" };
  const { status, stderr } = convnets(train("nin", join(folder, "none")), { env, alone: true });
  expect(status).toBe(1);
  expect(stderr).toContain(koffi ? "install it (libopenmpi3 on Debian" : "npm install koffi");
});

/** Process ids of the ranks that mpirun has started, by rank. */
function ranksOf(launcher: number): number[] {
  const children = readFileSync(`/proc/${launcher}/task/${launcher}/children`, "utf8").trim().split(" ").map(Number);
  const rankOf = (pid: number) =>
    Number(/OMPI_COMM_WORLD_RANK=(\d+)/.exec(readFileSync(`/proc/${pid}/environ`, "utf8"))![1]);
  return children.sort((a, b) => rankOf(a) - rankOf(b));
}
