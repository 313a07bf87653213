/**
 * The suite on Node's WebGPU, in software: with the Vulkan driver that Debian's chromium package has. GoogLeNet takes longest, and is
 * computed by the same kernels in Chromium (webgpu.system.test.ts).
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { unless } from "../support/skip.ts";

const DRIVERS = "/usr/lib/chromium";
const DRIVER = `${DRIVERS}/vk_swiftshader_icd.json`;
const missing = existsSync(DRIVER) ? undefined : `there is no ${DRIVER}; install Debian's chromium`;

test("node-webgpu.engine.test.ts passes", { ...unless(missing), timeout: 900_000 }, () => {
  const vitest = fileURLToPath(new URL("../../node_modules/vitest/vitest.mjs", import.meta.url));
  const arguments_ = [vitest, "run", "test/conformance/node-webgpu.engine.test.ts", "-t", "^(?!.*googlenet)"];
  const { status, stdout, stderr } = spawnSync(process.execPath, arguments_, {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    env: { ...process.env, LD_LIBRARY_PATH: DRIVERS, VK_ICD_FILENAMES: DRIVER, NO_COLOR: "1" },
    encoding: "utf8",
  });
  expect(status, `${stdout}${stderr}`).toBe(0);
  expect(stdout).toMatch(/Tests\s+\d\d passed/);
});
