import * as Comlink from "comlink";
import type { Trainer } from "./protocol.ts";

/** The worker that trains. It starts with the panel, and keeps training when another panel is shown. */
export const trainer: Comlink.Remote<Trainer> = Comlink.wrap<Trainer>(
  new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "training" }),
);
