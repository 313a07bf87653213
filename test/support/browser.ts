/** Chromium: one for all test files, in which each opens contexts of its own. */
import { existsSync } from "node:fs";
import { type Browser, type BrowserServer, chromium } from "playwright-core";

/** The browser; Debian's, unless the environment says otherwise. */
export const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** Why there are no tests in a browser, if there are none. */
export const noChromium = existsSync(EXECUTABLE)
  ? undefined
  : `there is no ${EXECUTABLE}; install Debian's chromium, or set CHROMIUM to the path of another`;

/** Environment variable with the address of the browser that is running. */
const ADDRESS = "CONVNETS_CHROMIUM";

const OPTIONS = {
  executablePath: EXECUTABLE,
  args: ["--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
};

/** On machines without a GPU, Chromium then computes WebGPU in software. */
const WEBGPU = {
  ...OPTIONS,
  args: [
    ...OPTIONS.args.filter((flag) => flag !== "--disable-gpu"),
    "--enable-unsafe-webgpu",
    "--enable-features=Vulkan",
  ],
};

/** A browser of its own, with WebGPU. */
export const openWebgpuBrowser = (): Promise<Browser> => chromium.launch(WEBGPU);

/** The browser that is running; outside of the tests that need one, one of its own. Closing it leaves the others' contexts open. */
export function openBrowser(): Promise<Browser> {
  const address = process.env[ADDRESS];
  return address === undefined ? chromium.launch(OPTIONS) : chromium.connect(address);
}

/** Starts the browser for all files: it takes two seconds of processor time. */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (noChromium) return undefined;
  const server: BrowserServer = await chromium.launchServer(OPTIONS);
  process.env[ADDRESS] = server.wsEndpoint();
  return async () => {
    delete process.env[ADDRESS];
    await server.close();
  };
}
