/** What `convnets train` tells and leaves behind when things go other than planned. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { readCheckpoint } from "../../src/checkpoint/node/index.ts";
import { cifarBytes, put, temporaryFolder } from "../data/support.ts";
import { CLI, convnets, DIST } from "./run.ts";

const root = temporaryFolder();
const at = (...path: string[]) => join(root, ...path);
const posix = describe.skipIf(process.platform === "win32");

/** A .png file of one pixel. */
const PIXEL = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64",
);

const SHAPES = ["train", "vgg_small", "--data", "shapes", "--epochs", "1", "--threads", "1"];

/** Updates that the state of a run has seen. */
async function savedStep(run: string): Promise<number> {
  const { metadata } = await readCheckpoint(join(run, "last.safetensors"));
  return JSON.parse(metadata.progress!).step;
}

const lastLine = (run: string) =>
  JSON.parse(readFileSync(join(run, "metrics.jsonl"), "utf8").trimEnd().split("\n").at(-1)!);

posix("a reader that has seen enough", () => {
  /** Runs a line of bash; gives the exit code of its first command. */
  const bash = (line: string) => {
    const { stdout, stderr } = spawnSync("bash", ["-c", `${line}; echo "exit \${PIPESTATUS[0]}" >&2`], {
      encoding: "utf8",
    });
    return { stdout, stderr };
  };
  const command = (run: string, ...flags: string[]) =>
    [process.execPath, CLI, ...SHAPES, "--out", run, ...flags].map((word) => `'${word}'`).join(" ");

  test.each([
    ["lines", [], /^Training .*\nepoch 1\/1 .*\nepoch 1\/1 .*\n$/],
    ["JSON", ["--json"], /^\{"type":"start".*\n\{"type":"step".*\n\{"type":"step".*\n$/],
  ])("of %s ends the run as Ctrl-C does: saved, quietly, to go on with", async (name, flags, expected) => {
    const run = at(name);
    const { stdout, stderr } = bash(`${command(run, ...flags)} | head -n 3`);
    expect(stderr).toBe("exit 130\n");
    expect(stdout).toMatch(expected);
    const step = await savedStep(run);
    expect(step).toBeGreaterThanOrEqual(2);
    expect(step).toBeLessThan(157);
    expect(lastLine(run)).toMatchObject({ type: "end", reason: "stopped" });
    expect(readFileSync(join(run, "report.html"), "utf8")).toContain("Stopped after 0 of 1 epoch");
  });

  test("of errors too, in the same pipe", async () => {
    const run = at("both");
    expect(bash(`${command(run)} 2>&1 | head -n 1`).stderr).toBe("exit 130\n");
    expect(await savedStep(run)).toBeGreaterThanOrEqual(1);
  });

  test.skipIf(process.platform !== "linux")("output to a full disk ends it the same way, with the reason", async () => {
    const run = at("full");
    const { stderr } = bash(`${command(run)} > /dev/full`);
    expect(stderr).toMatch(/^error: the output cannot be written: ENOSPC: .*\nexit 1\n$/);
    expect(await savedStep(run)).toBeGreaterThanOrEqual(1);
  });
});

posix("Ctrl-C", () => {
  test("saves, and with --quiet says only how to go on", async () => {
    const run = at("interrupted");
    const child = spawn(process.execPath, [CLI, ...SHAPES, "--out", run, "--quiet", "--checkpoint-every", "5"]);
    const text = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) child[name].on("data", (chunk) => (text[name] += chunk));
    const timer = setInterval(() => {
      try {
        readFileSync(join(run, "last.safetensors"));
        clearInterval(timer);
        // twice, as timeout does, which signals the process and its group
        child.kill("SIGINT");
        setTimeout(() => child.kill("SIGINT"), 20);
      } catch {}
    }, 20);
    const code = await new Promise((resolve) => child.on("close", resolve));
    clearInterval(timer);
    expect({ code, stderr: text.stderr }).toEqual({ code: 130, stderr: "" });
    expect(text.stdout).toMatch(/^Stopped\. Continue with: (npx )?convnets train --resume \S+\n$/);
    expect(text.stdout).toContain(`--resume ${run}\n`);
    expect(lastLine(run)).toMatchObject({ type: "end", reason: "stopped" });
  });
});

describe("--quiet", () => {
  test("prints the last line alone", () => {
    const data = tinyPictures();
    const run = at("quiet");
    const flags = ["--data", data, "--epochs", "1", "--batch-size", "2", "--threads", "1", "--out", run];
    const { status, stdout, stderr } = convnets(["train", "vgg_small", ...flags, "--quiet"]);
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: `Done: ${run}\n`, stderr: "" });
  });

  test("leaves out what to try after the shapes", () => {
    const net = put(
      at("net.mjs"),
      `import { Flatten, Linear, Sequential } from ${JSON.stringify(pathToFileURL(join(DIST, "index.js")).href)};
      export default ({ numClasses }) => new Sequential(new Flatten(), new Linear(3 * 32 * 32, numClasses));`,
    );
    const flags = [net, "--epochs", "1", "--batch-size", "500", "--threads", "1"];
    const loud = convnets(["train", ...flags, "--no-report", "--out", at("loud")]);
    expect(loud.stdout).toMatch(/Done: .*loud\n\nTry next, on real images:\n {2}convnets train --data cifar10 /);
    const npm = convnets(["train", ...flags, "--no-report", "--out", at("npm")], { env: { npm_command: "exec" } });
    expect(npm.stdout).toContain("  npx convnets train --data cifar10 ");
    const quiet = convnets(["train", ...flags, "--no-report", "--out", at("still"), "--quiet"]);
    expect(quiet.stdout).toBe(`Done: ${at("still")}\n`);
  });

  test("is not for programs", () => {
    const { status, stderr } = convnets(["train", "--quiet", "--json"]);
    expect(status).toBe(2);
    expect(stderr).toContain("cannot be used with");
  });
});

describe("a run that diverges", () => {
  const run = at("diverged");
  const config = put(
    at("steep.json"),
    // the rate rises from step to step, far beyond any sense
    JSON.stringify({ schedule: { name: "polynomial", power: 1 }, warmupEpochs: 1 }),
  );

  test("says so, keeps the last good state, and has its report, with the reason", async () => {
    const flags = ["--out", run, "--config", config, "--lr", "1e6", "--checkpoint-every", "1"];
    const { status, stdout, stderr } = convnets([...SHAPES, ...flags]);
    const reason =
      /(the loss is NaN at step \d+ |after step \d+, .* holds (NaN|-?Infinity)).*: the training has diverged; lower the learning rate, warm it up, or clip the gradients/;
    expect(status).toBe(1);
    expect(stderr).toMatch(new RegExp(`^error: ${reason.source}\nReport: ${run}/report\\.html\n$`));
    expect(stdout).not.toContain("Done");
    const { message } = lastLine(run);
    expect(lastLine(run)).toMatchObject({ type: "end", reason: "diverged", message: expect.stringMatching(reason) });
    const page = readFileSync(join(run, "report.html"), "utf8");
    expect(page).toContain("Diverged after 0 of 1 epoch");
    expect(page).toContain(message);
    const { tensors } = await readCheckpoint(join(run, "last.safetensors"));
    for (const { data } of tensors.values())
      expect(Array.from(data as ArrayLike<number>, Number).every(Number.isFinite)).toBe(true);
    const [entry] = JSON.parse(convnets(["runs", root, "--json"]).stdout).runs.filter(
      ({ dir }: { dir: string }) => dir === run,
    );
    expect(entry).toMatchObject({ state: "diverged", problem: message });
  });
});

describe("settings", () => {
  const printed = (...flags: string[]) => {
    const { status, stdout, stderr } = convnets(["train", ...flags, "--print-config"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    return JSON.parse(stdout);
  };

  test("are those of the recipe, then of the file, then of the flags; network and data too", () => {
    const file = put(at("settings.json"), JSON.stringify({ model: "nin", data: tinyPictures(), epochs: 3 }));
    expect(printed()).toMatchObject({ model: "vgg_small", data: "shapes", epochs: 8 });
    const fromFile = printed("--config", file);
    expect(fromFile).toMatchObject({ model: "nin", data: tinyPictures(), epochs: 3 });
    expect(JSON.stringify(fromFile.transforms.train)).toContain("randomHorizontalFlip");
    const named = printed("vgg_small", "--data", "shapes", "--config", file, "--epochs", "5");
    expect(named).toMatchObject({ model: "vgg_small", data: "shapes", epochs: 5 });
    // what is printed, given back, is the same
    const again = put(at("again.json"), JSON.stringify(fromFile));
    expect(printed("--config", again)).toEqual(fromFile);
  });

  test("know the size of the images and how first weights are drawn", () => {
    const at224 = printed("vgg16", "--data", tinyPictures());
    expect(at224).toMatchObject({ inputSize: 224, batchSize: 8, init: "kaiming_fan_out" });
    const at64 = printed("vgg16", "--data", tinyPictures(), "--input-size", "64", "--init", "network");
    expect(at64).toMatchObject({ inputSize: 64, batchSize: 64, init: "network" });
    expect(at64.transforms.train[0]).toMatchObject({ randomResizedCrop: { size: 64 } });
    expect(at64.transforms.validation[1]).toMatchObject({ centerCrop: { size: 64 } });
    // networks that normalize, and those that say it themselves, draw as they say
    expect(printed("vgg_small").init).toBe("network");
    expect(printed("vgg16", "--variant", "torchvision", "--data", tinyPictures()).init).toBe("network");
  });

  test("of a run that goes on are its own", () => {
    const run = at("own");
    put(join(run, "config.json"), JSON.stringify(printed()));
    expect(printed("--resume", run, "--threads", "3", "--skip-corrupt")).toEqual({
      ...printed(),
      threads: 3,
      skipCorrupt: true,
    });
    expect(printed("--resume", run, "--epochs", "9")).toEqual({ ...printed(), epochs: 9 });
    expect(convnets(["train", "--resume", run, "--epochs", "3"])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("has 8 epochs; --epochs can only extend a resumed run"),
    });
    const { status, stderr } = convnets(["train", "--resume", run, "--weight-decay", "0"]);
    expect(status).toBe(2);
    expect(stderr).toContain("--weight-decay cannot be changed; start a new run, with --weights");
    const named = convnets(["train", "nin", "--resume", run, "--out", at("elsewhere")]);
    expect(named.status).toBe(2);
    expect(named.stderr).toContain("the network (nin), --out cannot be changed");
  });

  test("fit the optimizer that is asked for, and short runs", () => {
    const plain = printed();
    expect(printed("--optimizer", "sgd")).toEqual(plain);
    expect(printed("--optimizer", "adamw")).toMatchObject({ optimizer: { name: "adamw" }, lr: 0.001 });
    expect(printed("--optimizer", "adamw", "--lr", "0.1", "--weight-decay", "0.2")).toMatchObject({
      optimizer: { name: "adamw", weightDecay: 0.2 },
      lr: 0.1,
    });
    const data = tinyPictures();
    expect(printed("--data", data)).toMatchObject({ epochs: 20, warmupEpochs: 1 });
    expect(printed("--data", data, "--epochs", "1").warmupEpochs).toBeCloseTo(1 / 3);
    expect(printed("--data", data, "--epochs", "1", "--warmup-epochs", "1").warmupEpochs).toBe(1);
  });

  test("take any size of images", () => {
    for (const side of [32, 33, 40]) {
      const { transforms } = printed("vgg16", "--input-size", String(side));
      expect(transforms.validation).toHaveLength(side === 32 ? 1 : 2);
    }
  });

  test("hold images back where there are none to validate on", () => {
    const plain = at("plain");
    for (const kind of ["a", "b"]) for (let i = 0; i < 5; i++) put(join(plain, kind, `${i}.png`), PIXEL);
    expect(printed("--data", plain).validationFraction).toBe(0.2);
    expect(printed("--data", plain, "--validation-fraction", "0.4").validationFraction).toBe(0.4);
    expect(printed("--data", tinyPictures()).validationFraction).toBe(0);
    const flags = ["--data", plain, "--epochs", "1", "--threads", "1", "--no-report", "--out", at("held")];
    const { stdout, stderr } = convnets(["train", "vgg_small", ...flags]);
    expect(stderr).toBe("train: 2 classes, 10 images in plain/\n");
    expect(stdout).toContain("20.0 % of the training images are held out for validation.");
    const images = (split: string) =>
      JSON.parse(convnets(["eval", at("held"), "--split", split, "--json"]).stdout).images;
    expect([images("train"), images("val"), images("test")]).toEqual([8, 2, 2]);
  });

  test("that are wrong are told as usage, with exit code 2", () => {
    const refused = (...flags: string[]) => {
      const { status, stderr } = convnets(["train", ...flags]);
      expect(status).toBe(2);
      return stderr;
    };
    expect(refused("--epochs", "0")).toContain("It has to be above 0.");
    expect(refused("--lr=-1")).toContain("lr: ");
    expect(refused("--config", put(at("null.json"), "null"))).toContain(
      "null.json is not a config file: it has to be a JSON object",
    );
  });

  test("of one class are refused", () => {
    put(at("one-class", "only", "a.png"), PIXEL);
    const { status, stderr } = convnets(["train", "vgg_small", "--data", at("one-class"), "--out", at("never")]);
    expect(status).toBe(1);
    expect(stderr).toContain("one-class: there is only one class (only), so there is nothing to learn");
    expect(existsSync(at("never"))).toBe(false);
  });
});

describe("folders of runs", () => {
  const small = (...flags: string[]) => ["train", "vgg_small", "--data", tinyPictures(), "--threads", "1", ...flags];

  test("are never shared by two that begin at once", async () => {
    const cwd = at("crowd");
    mkdirSync(cwd);
    const codes = await Promise.all(
      [0, 1, 2].map((seed) => {
        const child = spawn(process.execPath, [CLI, ...small("--epochs", "1", "--seed", `${seed}`, "--no-report")], {
          cwd,
        });
        return new Promise((resolve) => child.on("close", resolve));
      }),
    );
    expect(codes).toEqual([0, 0, 0]);
    const seeds = readdirSync(join(cwd, "run")).map(
      (name) => JSON.parse(readFileSync(join(cwd, "run", name, "config.json"), "utf8")).seed,
    );
    expect(seeds.sort()).toEqual([0, 1, 2]);
  });

  test("have one process at a time; one that was killed does not count", () => {
    const run = at("locked");
    expect(convnets(small("--epochs", "1", "--out", run, "--no-report")).status).toBe(0);
    expect(existsSync(join(run, "lock"))).toBe(false);
    put(join(run, "lock"), `${process.pid} ${hostname()}\n`);
    const before = readFileSync(join(run, "metrics.jsonl"), "utf8");
    const { status, stderr } = convnets(["train", "--resume", run]);
    expect(status).toBe(1);
    expect(stderr).toContain(`another process (${process.pid} on ${hostname()}) trains in this folder`);
    expect(readFileSync(join(run, "metrics.jsonl"), "utf8")).toBe(before);
    put(join(run, "lock"), `${2 ** 22 + 1} ${hostname()}\n`);
    expect(convnets(["train", "--resume", run]).status).toBe(0);
    expect(existsSync(join(run, "lock"))).toBe(false);
  });

  test("are left out where nothing was begun", () => {
    const cwd = at("nothing");
    mkdirSync(cwd);
    const { status } = convnets(
      ["train", "vgg_small", "--data", tinyPictures(), "--weights", put(at("wrong.pth"), "no weights")],
      { cwd },
    );
    expect(status).toBe(1);
    expect(readdirSync(join(cwd, "run"))).toEqual([]);
  });

  test("without a name, the one that was saved last is gone on with", () => {
    const cwd = at("several");
    for (const name of ["a-newer", "z-older"])
      expect(convnets(small("--epochs", "1", "--out", join(cwd, "run", name), "--no-report")).status).toBe(0);
    const [now, then] = [new Date(), new Date(Date.now() - 60_000)];
    utimesSync(join(cwd, "run/z-older/last.safetensors"), then, then);
    utimesSync(join(cwd, "run/a-newer/last.safetensors"), now, now);
    const { stdout } = convnets(["train", "--resume", "--no-report"], { cwd });
    expect(stdout).toContain(`Done: ${join("run", "a-newer")}`);
  });

  test("hold all that is needed to go on: the first weights may be gone, but not images", () => {
    const data = at("some");
    for (const kind of ["a", "b"]) for (let i = 0; i < 6; i++) put(join(data, "train", kind, `${i}.png`), PIXEL);
    const fresh = ["--data", data, "--threads", "1", "--no-report", "--batch-size", "2"];
    expect(convnets(["train", "vgg_small", ...fresh, "--epochs", "1", "--out", at("base")]).status).toBe(0);
    const weights = put(at("weights.safetensors"), readFileSync(at("base", "best.safetensors")));
    const frozen = [...fresh, "--epochs", "2", "--weights", weights, "--freeze", "backbone", "--out", at("tuned")];
    expect(convnets(["train", "vgg_small", ...frozen]).status).toBe(0);
    const bytes = readFileSync(at("tuned", "last.safetensors"));
    // as if it had been killed after the first epoch
    const config = JSON.parse(readFileSync(at("tuned", "config.json"), "utf8"));
    put(at("tuned", "config.json"), JSON.stringify({ ...config, epochs: 3 }));
    rmSync(weights);
    const { status, stderr } = convnets(["train", "--resume", at("tuned"), "--no-report"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(readFileSync(at("tuned", "last.safetensors")).equals(bytes)).toBe(false);
    put(join(data, "train", "a", "more.png"), PIXEL);
    const more = convnets(["train", "--resume", at("tuned")]);
    expect(more.status).toBe(1);
    expect(more.stderr).toMatch(/there are 13 images, but there were 12 when the run in .* was saved/);
  });

  test.skipIf(process.platform === "win32")("say how to go on with data from elsewhere", () => {
    const kept = at("kept", "cifar-10-batches-bin");
    for (const name of [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`).concat("test_batch.bin"))
      put(join(kept, name), cifarBytes(Array.from({ length: 40 }, (_, i) => i % 10)));
    const run = at("from-kept");
    const line = `'${process.execPath}' '${CLI}' train vgg_small --data cifar10 --data-dir '${at("kept")}' --out '${run}' --threads 1 --epochs 1000 2>&1`;
    const { stdout } = spawnSync("bash", ["-c", `timeout -s INT 4 ${line}`], { encoding: "utf8" });
    expect(stdout).toMatch(/Continue with: (npx )?convnets train/);
    expect(stdout).toContain(`convnets train --resume ${run} --data-dir ${at("kept")}`);
  });
});

/** Two classes of two pictures, one pixel each. */
function tinyPictures(): string {
  for (const file of ["train/a/0", "train/b/0", "val/a/0", "val/b/0"]) put(at("pictures", `${file}.png`), PIXEL);
  return at("pictures");
}
