/**
 * What a new user does: `npm install` of the packed package in an empty folder, without settings of ours, then the commands. Only
 * npm's registry is asked for anything.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { unless } from "../support/skip.ts";
import { execute, pack, temporaryFolder } from "./packed.ts";

/** Milliseconds for one test. All of them take half a minute together, but much longer on a busy machine. */
const MINUTES = 5 * 60_000;

const home = temporaryFolder();
const project = join(home, "project");

/** How this machine reaches the registry; everything else that npm was told is left behind. */
const CONNECTION = ["registry", "cafile", "proxy", "https-proxy", "noproxy", "strict-ssl"];

function clean(): NodeJS.ProcessEnv {
  const config = JSON.parse(execute("npm", ["config", "list", "--json"], { cwd: homedir() }).stdout);
  const lines = CONNECTION.filter((key) => config[key]).map((key) => `${key}=${config[key]}\n`);
  writeFileSync(join(home, ".npmrc"), lines.join(""));
  const kept = Object.entries(process.env).filter(([name]) =>
    /^(path|systemroot|comspec|temp|tmp|tmpdir)$|proxy|cert/i.test(name),
  );
  return { ...Object.fromEntries(kept), HOME: home, USERPROFILE: home };
}

const env = clean();
const { status, stderr } = spawnSync("npm", ["view", "onnxruntime-common", "version", "--fetch-retries=0"], {
  ...{ cwd: home, env, encoding: "utf8", timeout: 20_000, shell: process.platform === "win32" },
});
const offline = status === 0 ? undefined : `npm cannot reach its registry: ${stderr.split("\n")[0]}`;

const run = (command: string, ...args: string[]) => execute(command, args, { cwd: project, env });
const convnets = (...args: string[]) => run("npx", "--no", "convnets", ...args);

/** Two classes of tiny images, enough to train on for a second. */
async function writeImages(folder: string): Promise<void> {
  for (const [name, background] of [
    ["light", "#eee"],
    ["dark", "#222"],
  ] as const) {
    mkdirSync(join(folder, name), { recursive: true });
    for (let i = 0; i < 8; i++) {
      const image = sharp({ create: { width: 32, height: 32 + i, channels: 3, background } });
      await image.png().toFile(join(folder, name, `${i}.png`));
    }
  }
}

describe("installed in an empty folder", { ...unless(offline), timeout: MINUTES }, () => {
  beforeAll(async () => {
    mkdirSync(project);
    run("npm", "init", "-y");
    run("npm", "install", pack({ vendor: true }));
    await writeImages(join(project, "images"));
  }, MINUTES);

  const train = (out: string, settings: NodeJS.ProcessEnv = {}) => {
    const small = ["--data", "images", "--validation-fraction", "0.25", "--epochs", "1", "--threads", "1"];
    return execute("npx", ["--no", "convnets", "train", "vgg_small", ...small, "--out", out], {
      cwd: project,
      env: { ...env, ...settings },
    });
  };

  test("it brings no script that runs at installation, and no second ONNX Runtime", () => {
    const { packages } = JSON.parse(readFileSync(join(project, "node_modules/.package-lock.json"), "utf8")) as {
      packages: Record<string, { hasInstallScript?: boolean }>;
    };
    expect(Object.keys(packages).filter((name) => packages[name]!.hasInstallScript)).toEqual([]);
    expect(readdirSync(join(project, "node_modules")).filter((name) => name.startsWith("onnxruntime"))).toEqual([
      "onnxruntime-common",
    ]);
    const cuda = readdirSync(join(project, "node_modules"), { recursive: true, encoding: "utf8" }).filter((name) =>
      /cuda/i.test(name),
    );
    expect(cuda).toEqual([]);
  });

  test("summary", () => {
    expect(convnets("summary", "vgg16").stdout).toContain("138,357,544");
  });

  test("train and classify, on the native engine", () => {
    const { stdout, stderr } = train("native");
    expect(stdout + stderr).toContain("on onnxruntime-node cpu");
    expect(convnets("classify", "images/dark/0.png", "--weights", "native").stdout).toMatch(/light|dark/);
  });

  test("train on WebAssembly, where the environment asks for it", () => {
    const { stdout, stderr } = train("wasm", { CONVNETS_ENGINE: "wasm" });
    expect(stdout + stderr).toContain("on onnxruntime-web wasm");
  });

  test("the studio", async () => {
    const studio = spawn("npx", ["--no", "convnets", "studio", "--no-open"], {
      ...{ cwd: project, env, shell: process.platform === "win32", detached: process.platform !== "win32" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      let said = "";
      // a stream that is destroyed would end the studio at its next line
      for await (const part of studio.stdout.iterator({ destroyOnReturn: false })) {
        said += part;
        if (said.includes("\n")) break;
      }
      const address = new URL(/http:\S+/.exec(said)![0]);
      const page = await fetch(address);
      expect(page.headers.get("cross-origin-embedder-policy")).toBe("require-corp");
      const script = /src="([^"]+\.js)"/.exec(await page.text())![1]!;
      expect((await fetch(new URL(script, address))).status).toBe(200);
    } finally {
      // npx has a process of its own
      if (process.platform === "win32") studio.kill();
      else process.kill(-studio.pid!);
    }
  });

  const binding = () =>
    join(project, `node_modules/convnets/vendor/onnxruntime-node/bin/napi-v6/${process.platform}/${process.arch}`);

  test.each([
    ["does not load", () => writeFileSync(join(binding(), "onnxruntime_binding.node"), "")],
    ["is not there", () => renameSync(binding(), `${binding()}-elsewhere`)],
  ])("WebAssembly takes over where the native build %s, and says so", (_, breakIt) => {
    breakIt();
    const { stdout, stderr } = convnets("classify", "images/dark/0.png", "--weights", "native");
    expect(stdout).toMatch(/light|dark/);
    expect(stderr).toMatch(/convnets: ONNX Runtime.*native build.*so WebAssembly is used instead/);
    expect(stderr.match(/WebAssembly/g)).toHaveLength(1);
  });
});
