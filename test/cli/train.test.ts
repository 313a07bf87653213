/** What `convnets train` tells and leaves behind when things go other than planned. */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readCheckpoint } from "../../src/checkpoint/node.ts";
import { put, temporaryFolder } from "../data/support.ts";
import { CLI, convnets } from "./run.ts";

const root = temporaryFolder();
const at = (...path: string[]) => join(root, ...path);
const posix = describe.skipIf(process.platform === "win32");

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
    expect({ code, ...text }).toEqual({
      code: 130,
      stdout: `Stopped. Go on with: convnets train --resume ${run}\n`,
      stderr: "",
    });
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
    for (const { data } of tensors.values()) expect(Array.from(data as Float32Array).every(Number.isFinite)).toBe(true);
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
    const { status, stderr } = convnets(["train", "--resume", run, "--epochs", "9", "--weight-decay", "0"]);
    expect(status).toBe(2);
    expect(stderr).toContain("--epochs, --weight-decay cannot be changed, only begun anew with");
  });
});

/** Two classes of two pictures, one pixel each. */
function tinyPictures(): string {
  const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
  for (const file of ["train/a/0", "train/b/0", "val/a/0", "val/b/0"])
    put(at("pictures", `${file}.png`), Buffer.from(pixel, "base64"));
  return at("pictures");
}
