/** An engine in a worker, as pages with something to click on should have it: runs a case, answers why it failed, if it did. */
import { webEngine } from "../../src/web.ts";
import { attempt, SUITE } from "./suite.ts";

const unknown = "not measured in workers";

addEventListener("message", async ({ data: name }: MessageEvent<string>) => {
  const setting = {
    engine: () => webEngine({ threads: 2 }),
    threadCounts: unknown,
    countThreads: () => unknown,
    memory: () => unknown,
    readBack: () => unknown,
  };
  const conformance = SUITE.find((conformance) => conformance.name === name)!;
  postMessage(await attempt(conformance, setting).catch(String));
});
