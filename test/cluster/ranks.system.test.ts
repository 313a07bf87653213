/** Trainings on several ranks as people start them: by mpirun. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hostsReason, makeHosts } from "../../bench/cluster/hosts.ts";
import { CLI, convnets } from "../cli/run.ts";
import { writeCifar } from "../support/cifar.ts";
import { unless } from "../support/skip.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-ranks-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const data = join(folder, "data");

/** The last batch is not full. */
beforeAll(() => writeCifar(data, 5));

const SETTINGS = [
  ...["--batch-size", "16", "--shards", "4", "--compress", "fp16", "--threads", "1", "--workers", "0"],
  ...["--checkpoint-every", "1"],
];
const train = (out: string, epochs = 1) => [
  ...["train", "vgg_small", "--data", data, ...SETTINGS, "--epochs", `${epochs}`],
  ...["--no-report", "--quiet", "--out", out],
];

/** Images of 8×8 pixels that are red, green, both or neither, their labels, and a network; the last batch is not full. */
function writeLabels(target: string): void {
  mkdirSync(target);
  const rows = Array.from({ length: 32 }, (_, i) => {
    const [red, green] = [i % 2, (i >> 1) % 2];
    const pixels = Array.from({ length: 64 }, (_, at) => [red * 200 + ((at * i) % 50), green * 200 + (at % 50), 40]);
    writeFileSync(
      join(target, `${i}.ppm`),
      Buffer.concat([Buffer.from("P6 8 8 255\n"), Uint8Array.from(pixels.flat())]),
    );
    const labels = [...(red ? ["red"] : []), ...(green ? ["green"] : [])].join("|");
    return `${i}.ppm,${labels},${i % 3 === 0 ? "test" : "train"}`;
  });
  writeFileSync(join(target, "labels.csv"), `file,labels,split\n${rows.join("\n")}\n`);
  const nn = JSON.stringify(new URL("../../dist/bundle/nn/index.js", import.meta.url).href);
  writeFileSync(
    join(target, "net.mjs"),
    `import { AdaptiveAvgPool2d, BatchNorm2d, Conv2d, Flatten, Linear, ReLU, Sequential } from ${nn};
    export default ({ numClasses = 2 } = {}) =>
      new Sequential(new Conv2d(3, 4, 3), new BatchNorm2d(4), new ReLU(), new AdaptiveAvgPool2d(1), new Flatten(), new Linear(4, numClasses));`,
  );
}

const found = (command: string) =>
  (process.env.PATH ?? "").split(delimiter).some((dir) => existsSync(join(dir, command)));
const koffi = existsSync(new URL("../../node_modules/koffi", import.meta.url));
const lack = (command: string) =>
  !koffi ? "koffi is not installed" : found(command) ? undefined : `there is no ${command}`;

type Launcher = "mpirun.openmpi" | "mpirun.mpich";
const FLAGS = { "mpirun.openmpi": ["--oversubscribe"], "mpirun.mpich": [] };

const ROOT = { OMPI_ALLOW_RUN_AS_ROOT: "1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: "1" };

/** Starts a command; `ended` has its exit code and all that it printed. */
function run([program, ...args]: readonly string[]): ChildProcess & { ended: Promise<Ended> } {
  const child = spawn(program!, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...ROOT } });
  let text = "";
  let errors = "";
  child.stdout!.on("data", (chunk) => (text += chunk));
  child.stderr!.on("data", (chunk) => (errors += chunk));
  const ended = new Promise<Ended>((resolve) => child.on("close", (code) => resolve({ code, text, errors })));
  return Object.assign(child, { ended });
}

interface Ended {
  readonly code: number | null;
  readonly text: string;
  readonly errors: string;
}

const ranks = (launcher: Launcher, count: number, ...words: readonly string[]) => [
  ...[launcher, ...FLAGS[launcher], "-n", `${count}`, process.execPath, ...words],
];

/** Weights, state of the optimizer, rounding errors, and sums of the losses. */
const last = (name: string) => readFileSync(join(folder, name, "last.safetensors"));
const losses = (name: string) =>
  readFileSync(join(folder, name, "metrics.jsonl"), "utf8")
    .split("\n")
    .map((line) => /"loss":[\d.e-]+/.exec(line)?.[0]);

const until = async (holds: () => boolean, process: ChildProcess) => {
  while (!holds() && process.exitCode === null) await new Promise((r) => setTimeout(r, 20));
};

/** Several processes share the cores with other tests. */
const TIMEOUT = 240_000;

/** Digests of the trainings in rank.mjs. */
type Digests = Readonly<Record<string, { losses: number[]; weights: string; state: string; same: boolean }>>;

const RANK = fileURLToPath(new URL("rank.mjs", import.meta.url));
const SUMS = fileURLToPath(new URL("sums.mjs", import.meta.url));
async function digests(words: readonly string[]): Promise<Digests> {
  const { code, text, errors } = await run(words).ended;
  expect(code, text + errors).toBe(0);
  return JSON.parse(text);
}
let inOneProcess: Promise<Digests> | undefined;
const alone = () => {
  inOneProcess ??= digests([process.execPath, RANK]);
  return inOneProcess;
};

/** That ranks gave what one process does. Sums in another order differ in their last bits. */
async function compare(given: Digests): Promise<void> {
  const one = await alone();
  for (const [name, { same, ...result }] of Object.entries(given)) {
    expect(same, `${name}: all ranks have the same weights`).toBe(true);
    const { same: _, ...expected } = one[name]!;
    if (!name.includes("fast")) expect(result, name).toEqual(expected);
    for (const [i, loss] of result.losses.entries()) expect(loss, name).toBeCloseTo(expected.losses[i]!, 5);
  }
}

describe("Open MPI", { timeout: TIMEOUT, ...unless(lack("mpirun.openmpi")) }, () => {
  test("two ranks give the bytes of one process", async () => {
    await compare(await digests(ranks("mpirun.openmpi", 2, RANK)));
    expect(Object.keys(await alone()).length).toBeGreaterThan(3);
  });

  test("four ranks give the bytes of one process", async () => {
    await compare(await digests(ranks("mpirun.openmpi", 4, RANK, "bf16|nin|synchronized")));
  });

  // optimized code holds on to nothing that it does not need any more, such as arrays of which MPI has the address
  test("long sums are right in optimized code", async () => {
    const { code, text, errors } = await run(ranks("mpirun.openmpi", 2, "--always-turbofan", SUMS)).ended;
    expect(code, errors).toBe(0);
    expect(JSON.parse(text)).toEqual({ sums: 2, wrong: 0 });
  });

  test("a rank is killed: launch starts the run again, which goes on to the same bytes", async () => {
    const { status, stderr } = convnets(train(join(folder, "one")), { alone: true });
    expect(status, stderr).toBe(0);
    const out = join(folder, "killed");
    const launched = run([
      ...[process.execPath, CLI, "launch", "--max-restarts", "1", "--"],
      ...ranks("mpirun.openmpi", 2, CLI, ...train(out)),
    ]);
    await until(() => existsSync(join(out, "last.safetensors")), launched);
    const [mpirun] = childrenOf(launched.pid!);
    process.kill(ranksOf(mpirun!)[1]!, "SIGKILL");
    const { code, errors } = await launched.ended;
    expect(code, errors).toBe(0);
    expect(errors).toMatch(/rank 1 .* on node \S+ exited on signal 9[\s\S]*Ended with code 137; restart 1 of 1/);
    expect(last("killed").equals(last("one"))).toBe(true);
    expect(losses("killed")).toEqual(losses("one"));
    const { ranks: times, slowest } = JSON.parse(readFileSync(join(out, "metrics.jsonl"), "utf8").split("\n")[0]!);
    expect([times, slowest]).toEqual([2, expect.stringMatching(/^rank \d on /)]);
  });

  test("SIGUSR2 to mpirun saves and stops all ranks; another number of ranks goes on", async () => {
    const out = join(folder, "stopped");
    const two = run(ranks("mpirun.openmpi", 2, CLI, ...train(out)));
    await until(() => existsSync(join(out, "last.safetensors")), two);
    two.kill("SIGUSR2");
    const { code, text } = await two.ended;
    expect(code, text).not.toBe(0);
    expect(readFileSync(join(out, "metrics.jsonl"), "utf8"), text).toContain('"reason":"stopped"');
    const resumed = run(ranks("mpirun.openmpi", 4, CLI, "train", "--resume", out, "--no-report", "--quiet"));
    expect((await resumed.ended).code).toBe(0);
    expect(last("stopped").equals(last("one"))).toBe(true);
  });

  test("several labels per image: two ranks give the weights and the metrics of one process", async () => {
    writeLabels(join(folder, "labels"));
    const labelled = (out: string) => [
      ...["train", join(folder, "labels/net.mjs"), "--data", join(folder, "labels"), "--input-size", "8"],
      ...["--batch-size", "8", "--shards", "2", "--threads", "1", "--workers", "0", "--epochs", "2"],
      ...["--lr", "0.02", "--optimizer", "adamw", "--out", join(folder, out)],
    ];
    const one = convnets(labelled("labels-one"), { alone: true });
    expect(one.status, one.stderr).toBe(0);
    const { code, text, errors } = await run(ranks("mpirun.openmpi", 2, CLI, ...labelled("labels-two"))).ended;
    expect(code, text + errors).toBe(0);
    expect(errors.match(/the loss is binary cross-entropy/g)).toHaveLength(1);
    expect(last("labels-two").equals(last("labels-one"))).toBe(true);
    expect(losses("labels-two")).toEqual(losses("labels-one"));
    const quality = (out: string) => {
      const lines = readFileSync(join(folder, out, "metrics.jsonl"), "utf8");
      return lines.match(/"(meanAveragePrecision|f1|accuracy)":[\d.e-]+/g);
    };
    expect(quality("labels-one")!.length).toBeGreaterThan(2);
    expect(quality("labels-two")).toEqual(quality("labels-one"));
    for (const part of ["Mean average precision", "Share of labels"])
      expect(readFileSync(join(folder, "labels-two/report.html"), "utf8")).toContain(part);
    const evaluated = convnets(["eval", join(folder, "labels-two"), "--workers", "0"]);
    expect([evaluated.status, evaluated.stdout]).toEqual([0, expect.stringContaining("mean average precision")]);
  });

  test("ranks that cannot share the shards are refused by one line, with the numbers that can", async () => {
    const { code, errors } = await run(ranks("mpirun.openmpi", 3, CLI, ...train(join(folder, "refused")))).ended;
    expect(code).toBe(2);
    expect(errors.match(/^error: .*$/gm)).toEqual([
      "error: batches are cut into 4 shards, which 3 ranks cannot share evenly; start 1, 2 or 4 ranks",
    ]);
  });
});

describe("MPICH", { timeout: TIMEOUT, ...unless(lack("mpirun.mpich")) }, () => {
  test("two ranks give the bytes of one process", async () => {
    await compare(await digests(ranks("mpirun.mpich", 2, RANK, "bf16")));
  });
});

describe("two hosts", { timeout: TIMEOUT, ...unless(lack("mpirun.openmpi") ?? hostsReason()) }, () => {
  test("give the bytes of one process over a slow network; after a cut, launch starts again", async () => {
    const hosts = makeHosts(2);
    try {
      hosts.limit("1gbit");
      const start = [...hosts.mpirun, "-n", "2", process.execPath];
      await compare(await digests([...start, RANK, "^nin$|bf16"]));
      const out = join(folder, "cut");
      const launch = [process.execPath, CLI, "launch", "--max-restarts", "1", "--"];
      const training = run([...launch, ...start, CLI, ...train(out, 8)]);
      await until(() => existsSync(join(out, "last.safetensors")), training);
      const [, other] = hosts.names;
      hosts.cut(other!);
      let errors = "";
      training.stderr!.on("data", (chunk) => (errors += chunk));
      await until(() => errors.includes("MPI_ABORT"), training);
      expect(errors).toContain(`rank 1 on ${other} has been silent for`);
      hosts.rejoin(other!);
      // mpirun itself waits for the host that was gone
      expect(await training.ended).toMatchObject({ code: 0, errors: expect.stringContaining("restart 1 of 1") });
      expect(readFileSync(join(out, "metrics.jsonl"), "utf8")).toContain('"reason":"finished"');
    } finally {
      hosts.remove();
    }
  });
});

test("a launcher without its library: what to install", () => {
  const env = { OMPI_COMM_WORLD_SIZE: "2", CONVNETS_MPI: "/nowhere/libmpi.so" };
  const { status, stderr } = convnets(train(join(folder, "none")), { env, alone: true });
  expect(status).toBe(1);
  expect(stderr).toContain(koffi ? "install it (libopenmpi3 on Debian" : "npm install koffi");
});

test("launch needs a folder to continue; a run there keeps its settings", () => {
  const { status, stderr } = convnets(["launch", "--", "mpirun", "-n", "2", "convnets", "train", "nin"]);
  expect([status, stderr]).toEqual([2, expect.stringContaining("launch starts a training in a folder")]);
  const other = convnets([...train(join(folder, "one")), "--continue", "--seed", "7"]);
  expect([other.status, other.stderr]).toEqual([
    2,
    expect.stringContaining("a run with seed 0, which cannot be changed to 7"),
  ]);
});

test("a launcher that does not end after a rank has died is ended, and started again", {
  timeout: TIMEOUT,
}, async () => {
  const mpirun = join(folder, "mpirun.sh");
  const started = join(folder, "started");
  // the words of Open MPI 4.1, which hung after them, deaf to SIGTERM
  const died = "mpirun noticed that process rank 2 with PID 0 on node vm exited on signal 9 (Killed).";
  writeFileSync(mpirun, `[ -e ${started} ] && exit 0\ntouch ${started}\necho "${died}" >&2\ntrap "" TERM\nsleep 300\n`);
  const { code, errors } = await run([
    ...[process.execPath, CLI, "launch", "--max-restarts", "1", "--", "sh", mpirun],
    ...["train", "--out", join(folder, "hung")],
  ]).ended;
  expect(code, errors).toBe(0);
  expect(errors).toMatch(/has not: ending it[\s\S]*Ended with code 137; restart 1 of 1/);
});

const childrenOf = (pid: number) =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number);

/** Process ids of the ranks that mpirun has started, by rank. */
function ranksOf(launcher: number): number[] {
  const children = childrenOf(launcher);
  const rankOf = (pid: number) =>
    Number(/OMPI_COMM_WORLD_RANK=(\d+)/.exec(readFileSync(`/proc/${pid}/environ`, "utf8"))![1]);
  return children.sort((a, b) => rankOf(a) - rankOf(b));
}
