import * as Comlink from "comlink";
import type { Bench } from "./protocol.ts";

/** The worker that holds the networks. It starts with the page. */
export const bench: Comlink.Remote<Bench> = Comlink.wrap<Bench>(
  new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "bench" }),
);
