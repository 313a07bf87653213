/** Corrupt inputs, given to the command: each is an error that names the file and says what to do; none stops who skips. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32, deflateSync } from "node:zlib";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { type Checkpoint, readCheckpoint, writeCheckpoint } from "../../src/checkpoint/node/index.ts";
import { Random } from "../../src/random.ts";
import { cifarBytes, idxBytes, put, temporaryFolder } from "../data/support.ts";
import { CLI, convnets as command, type Outcome } from "./run.ts";

const root = temporaryFolder();
const at = (...path: string[]) => join(root, ...path);

/** What a command says, except how it understood the folder of images. */
const told = (outcome: Outcome): Outcome => ({
  ...outcome,
  stderr: outcome.stderr.replace(/^train: .*\n/, ""),
});
const convnets = (...args: Parameters<typeof command>): Outcome => told(command(...args));

const SMALL = ["--epochs", "1", "--batch-size", "4", "--threads", "1"];
const train = (data: string, out: string, ...flags: string[]): Outcome =>
  convnets(["train", "vgg_small", "--data", data, "--out", out, ...SMALL, ...flags]);

/** Fails with exit code 1 and one message, which begins with the file. */
function expectError({ status, stderr }: Outcome, file: string, reason: string | RegExp): void {
  expect(stderr.startsWith(`error: ${file}`), stderr).toBe(true);
  expect(stderr).toMatch(reason);
  expect(stderr).not.toMatch(/^ +at /m);
  expect(status).toBe(1);
}

/** Ends well, and says what it left out. */
function expectSkipped({ status, stdout, stderr }: Outcome, file: string, reason: string | RegExp): void {
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  const line = stdout.split("\n").filter((line) => line.startsWith(`Left out ${file}: `));
  expect(line).toEqual([expect.stringMatching(reason)]);
}

const OFFER = "\n--skip-corrupt leaves it out and goes on\n";

// Pictures

/** A black picture with one bit a pixel: 30,000 pixels a side compress to 110 KB. */
function blackPng(side: number): Buffer {
  const chunk = (type: string, data: Uint8Array) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const bytes = Buffer.alloc(body.length + 8);
    bytes.writeUInt32BE(data.length);
    body.copy(bytes, 4);
    bytes.writeUInt32BE(crc32(body), body.length + 4);
    return bytes;
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header[8] = 1;
  const rows = Buffer.alloc(side * (1 + Math.ceil(side / 8)));
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

let jpeg: Buffer;
beforeAll(async () => {
  const random = new Random(1, "picture");
  const noise = Buffer.from(Uint8Array.from({ length: 48 * 48 * 3 }, () => random.bits() >>> 24));
  jpeg = await sharp(noise, { raw: { width: 48, height: 48, channels: 3 } })
    .jpeg()
    .toBuffer();
});

/** A folder of good pictures, two classes with four and two pictures. */
function pictures(name: string): string {
  for (const kind of ["cat", "dog"]) {
    for (let i = 0; i < 4; i++) put(at(name, "train", kind, `${i}.jpg`), jpeg);
    for (let i = 0; i < 2; i++) put(at(name, "val", kind, `${i}.jpg`), jpeg);
  }
  return at(name);
}

// What is read before a run begins

describe("whole files", () => {
  test("a truncated CIFAR .bin", () => {
    const data = at("cifar");
    for (const name of [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`).concat("test_batch.bin"))
      put(join(data, name), cifarBytes([0, 1, 2, 3]));
    const file = join(data, "data_batch_3.bin");
    truncateSync(file, 2 * 3073 + 100);
    const reason = "the file is cut off: 6246 bytes are 2 records of 3073 bytes and 100 bytes; get it again";
    const outcome = train(data, at("cifar-run"));
    expectError(outcome, file, reason);
    expect(outcome.stderr).toContain(OFFER);
    expect(existsSync(at("cifar-run"))).toBe(false);
    expectSkipped(train(data, at("cifar-run"), "--skip-corrupt"), file, reason);

    const test = join(data, "test_batch.bin");
    truncateSync(test, 3073 + 1);
    expectError(convnets(["eval", at("cifar-run")]), test, "1 records of 3073 bytes and 1 bytes");
    expectSkipped(convnets(["eval", at("cifar-run"), "--skip-corrupt"]), test, "1 records of 3073 bytes and 1 bytes");
  });

  test("an idx file with a wrong magic number", () => {
    const data = at("idx");
    for (const split of ["train", "t10k"]) {
      put(join(data, `${split}-images-idx3-ubyte`), idxBytes([4, 28, 28], new Uint8Array(4 * 28 * 28)));
      put(join(data, `${split}-labels-idx1-ubyte`), idxBytes([4], Uint8Array.of(0, 1, 2, 3)));
    }
    const file = join(data, "train-images-idx3-ubyte");
    const bytes = readFileSync(file);
    bytes[2] = 0x0d;
    writeFileSync(file, bytes);
    const reason = "it begins with 0x00000d03, not with 0x00000803; get it again";
    const head = `${file}, bytes 0 to 3`;
    const outcome = train(data, at("idx-run"));
    expectError(outcome, head, reason);
    expect(outcome.stderr).toContain(OFFER);
    expect(existsSync(at("idx-run"))).toBe(false);
    expectSkipped(train(data, at("idx-run"), "--skip-corrupt"), head, reason);

    // where the sizes do not fit either, it is no idx file at all
    truncateSync(file, bytes.length - 1);
    for (const flags of [[], ["--skip-corrupt"]]) {
      const refused = train(data, at("no-idx-run"), ...flags);
      expectError(refused, file, reason);
      expect(refused.stderr).not.toContain(OFFER);
    }
    expect(existsSync(at("no-idx-run"))).toBe(false);
  });

  test("an empty class folder", () => {
    const data = pictures("empty");
    const folder = join(data, "train", "emu");
    mkdirSync(folder);
    const reason = /the class folder has no images; remove it, or put \.jpg .* files into it/;
    const outcome = train(data, at("empty-run"));
    expectError(outcome, folder, reason);
    expect(outcome.stderr).toContain(OFFER);
    expectSkipped(train(data, at("empty-run"), "--skip-corrupt"), folder, reason);
  });
});

describe("single pictures", () => {
  const cases = {
    "a JPEG cut in the middle": ["cut.jpg", () => jpeg.subarray(0, jpeg.length / 2), /cannot decode: .*; replace it/],
    "a picture of 30,000×30,000 pixels": [
      "huge.png",
      () => blackPng(30_000),
      /the image has 30000×30000 = 900000000 pixels, more than the limit of 178956970; make it smaller/,
    ],
  } as const;

  test.each(Object.entries(cases))("%s stops a run, which goes on without it", (_, [name, bytes, reason]) => {
    const data = pictures(name);
    // met after the first steps
    const file = put(join(data, "val", "dog", name), bytes());
    const run = at(`${name}-run`);
    const outcome = train(data, run);
    expectError(outcome, file, reason);
    expect(outcome.stderr).toContain(`${OFFER}Continue with: convnets train --resume ${run}\nReport: ${run}`);
    expect(readFileSync(join(run, "report.html"), "utf8")).toMatch(reason);
    const [entry] = JSON.parse(convnets(["runs", root, "--json"]).stdout).runs.filter(
      ({ dir }: { dir: string }) => dir === run,
    );
    expect(entry).toMatchObject({ state: "failed", problem: expect.stringMatching(reason) });
    expectSkipped(convnets(["train", "--resume", run, "--skip-corrupt"]), file, reason);
  });

  test.each(Object.entries(cases))("%s is passed over where it comes first", (_, [name, bytes, reason]) => {
    const data = pictures(`first-${name}`);
    const files = ["train", "val"].map((split) => put(join(data, split, "cat", `0.${name}`), bytes()));
    const run = at(`first-${name}-run`);
    expectError(train(data, run), files[0]!, reason);
    const outcome = train(data, run, "--skip-corrupt", "--no-report");
    for (const file of files) expectSkipped(outcome, file, reason);
    expectError(convnets(["eval", run]), files[1]!, reason);
    expectSkipped(convnets(["eval", run, "--skip-corrupt"]), files[1]!, reason);
  });

  test("a 1×1 picture is as good as any where pictures are resized; elsewhere it is named, or left out", async () => {
    const data = pictures("one");
    const file = join(data, "train", "dog", "one.png");
    await sharp({ create: { width: 1, height: 1, channels: 3, background: "red" } }).toFile(file);
    expect(train(data, at("one-run"), "--no-report")).toMatchObject({ status: 0, stderr: "" });

    const crop = [{ centerCrop: { size: 32 } }];
    const config = put(at("crop.json"), JSON.stringify({ transforms: { train: [], validation: crop } }));
    const reason = "after its transforms the image is 1×1 with 3 channels, but others of its batch are 48×48";
    expectError(train(data, at("one-crop"), "--config", config), file, reason);
    const flags = ["--config", config, "--skip-corrupt", "--no-report"];
    expectSkipped(train(data, at("one-skipped"), ...flags), file, reason);
  });
});

// Checkpoints

describe("checkpoints", () => {
  const run = at("run");
  const last = join(run, "last.safetensors");
  const best = join(run, "best.safetensors");
  const config = join(run, "config.json");
  let data: string;
  beforeAll(() => {
    data = pictures("checkpoints");
    expect(train(data, run)).toMatchObject({ status: 0, stderr: "" });
  });

  /** Runs with a file changed, and puts it back. */
  function changed<T>(file: string, change: (text: string) => string | Uint8Array, work: () => T): T {
    const before = readFileSync(file);
    writeFileSync(file, change(before.toString("utf8")));
    try {
      return work();
    } finally {
      writeFileSync(file, before);
    }
  }

  /** Fails to go on, and leaves the run as it was. */
  const resume = () => {
    const files = () =>
      ["metrics.jsonl", "last.safetensors", "report.html"].map((file) => crc32(readFileSync(join(run, file))));
    const before = files();
    const outcome = convnets(["train", "--resume", run]);
    expect(files()).toEqual(before);
    expect(outcome.stderr).not.toContain("Continue with");
    return outcome;
  };

  test("of another network cannot be gone on with", () => {
    const outcome = changed(config, (text) => text.replace(`"vgg_small"`, `"nin"`), resume);
    expectError(outcome, last, /is the state of vgg_small, but config\.json beside it trains nin; /);
  });

  test("of another optimizer cannot be gone on with: all that differs is listed", () => {
    const adamw = JSON.stringify({ name: "adamw" });
    const outcome = changed(
      config,
      (text) => JSON.stringify({ ...JSON.parse(text), optimizer: JSON.parse(adamw) }),
      resume,
    );
    expectError(outcome, last, /is of another network or optimizer than is to be trained\n/);
    expect(outcome.stderr).toMatch(/^ {2}missing: exp_avg:features\.0\.weight, .* and \d+ more$/m);
    expect(outcome.stderr).toMatch(/^ {2}unexpected: momentum_buffer:.* and \d+ more$/m);
  });

  test("of other classes cannot be gone on with", () => {
    const other = pictures("three");
    rmSync(join(other, "train", "dog", "1.jpg"));
    put(join(other, "train", "emu", "0.jpg"), jpeg);
    const outcome = changed(config, (text) => text.replace(data, other), resume);
    expectError(outcome, last, /of another shape or type: .*weight \(float32\[2,.*\] instead of float32\[3,/);
  });

  test("of another network give no weights to start from", () => {
    const outcome = convnets(["train", "nin", "--data", data, "--out", at("fine"), ...SMALL, "--weights", best]);
    expectError(
      outcome,
      best,
      / \(weights of vgg_small\): .*does not fit\n {2}missing: .+ and \d+ more\n {2}unexpected: .+ and \d+ more$/m,
    );
    expect(existsSync(at("fine"))).toBe(false);
    expectError(train(data, at("fine"), "--weights", last), last, "is the state of a training");
  });

  test("of another network than they say are not evaluated", async () => {
    const { tensors, metadata }: Checkpoint = await readCheckpoint(best);
    const file = at("mislabelled.safetensors");
    await writeCheckpoint(file, { tensors, metadata: { ...metadata, architecture: "nin" } });
    expectError(convnets(["eval", file, "--data", data]), file, /does not fit\n {2}missing: .+\n {2}unexpected: /);
    expectError(convnets(["eval", last, "--data", data]), last, "is the state of a training");
  });

  test("of other classes than the data are not evaluated", () => {
    const { status, stderr } = convnets(["eval", best, "--data", "shapes"]);
    expect(stderr).toMatch(/best\.safetensors: the network has 2 outputs; data set "shapes" has 10 classes \(.*…\); /);
    expect(status).toBe(2);
  });

  test("that are cut off are named", () => {
    const half = (file: string) => () => readFileSync(file).subarray(0, 1000);
    expectError(changed(last, half(last), resume), last, /cut|short|beyond|bytes/);
    expectError(
      changed(best, half(best), () => convnets(["eval", run])),
      best,
      /cut|short|beyond|bytes/,
    );
  });
});

// Full disks

/** A disk of so many bytes, or the reason why there is none. */
function smallDisk(bytes: number): { dir: string; reason: string | undefined } {
  const dir = at("disk");
  mkdirSync(dir);
  const { status, stderr } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", dir], {
    encoding: "utf8",
  });
  const reason = status === 0 ? undefined : `no small disk can be mounted here: ${stderr?.trim()}`;
  return { dir, reason };
}

describe("no room", () => {
  test("on the disk: the state saved before stays, and is gone on with once there is room", async ({ skip }) => {
    const { dir, reason } = smallDisk(3 * 2 ** 20);
    if (reason) skip(reason);
    try {
      // one state has room, but not a second one beside it
      const run = join(dir, "run");
      const outcome = train(pictures("disk-data"), run, "--checkpoint-every", "1", "--batch-size", "2");
      const last = join(run, "last.safetensors");
      expectError(outcome, last, "the disk is full; what was saved before is untouched, free some space and go on");
      expect(outcome.stderr).toContain(`Continue with: convnets train --resume ${run}`);
      const { metadata } = await readCheckpoint(last);
      expect(JSON.parse(metadata.progress!)).toMatchObject({ step: 1 });
      expect(spawnSync("mount", ["-o", "remount,size=32M", dir]).status).toBe(0);
      expect(convnets(["train", "--resume", run])).toMatchObject({ status: 0, stderr: "" });
    } finally {
      spawnSync("umount", [dir]);
    }
  });

  test.skipIf(process.platform === "win32")("within a limit on file sizes", async () => {
    const run = at("limited");
    const data = pictures("limited-data");
    expect(train(data, run, "--no-report").status).toBe(0);
    const last = join(run, "last.safetensors");
    const before = readFileSync(last);
    const config = join(run, "config.json");
    writeFileSync(config, readFileSync(config, "utf8").replace(`"epochs": 1`, `"epochs": 2`));
    const limited = `ulimit -f 200; exec '${process.execPath}' '${CLI}' train --resume '${run}'`;
    const { status, stdout, stderr } = spawnSync("bash", ["-c", limited], { encoding: "utf8" });
    const outcome = told({ status, stdout, stderr });
    // the best weights or the state, whichever comes first
    expectError(outcome, run, "the file would be larger than the limit on file sizes (ulimit -f)");
    expect(readFileSync(last).equals(before)).toBe(true);
    expect(convnets(["train", "--resume", run])).toMatchObject({ status: 0, stderr: "" });
    rmSync(run, { recursive: true });
  });
});
