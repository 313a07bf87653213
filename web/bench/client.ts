import * as Comlink from "comlink";
import type { Bench, Slot, Source } from "./protocol.ts";

/** The worker that holds the networks. It starts with the page. */
const own: Comlink.Remote<Bench> = Comlink.wrap<Bench>(
  new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "bench" }),
);

let sandbox: Comlink.Remote<Bench> | undefined;
/** Which worker holds the network of a slot. */
const holders = new Map<Slot, Comlink.Remote<Bench>>();

/** Makes networks of the reader's code come from this worker. */
export function useSandbox(bench: Comlink.Remote<Bench>): void {
  sandbox = bench;
}

const holder = (slot: Slot) => holders.get(slot) ?? own;

/** The bench, whichever worker holds a network. */
export const bench = {
  families: () => own.families(),
  async open(slot: Slot, source: Source, edits: Parameters<Bench["open"]>[2]) {
    const from = source.kind === "code" ? sandbox : own;
    if (!from) throw new Error("the code has not run yet");
    const opened = await from.open(slot, source, edits);
    if (opened.network) holders.set(slot, from);
    return opened;
  },
  diagram: (slot: Slot, options: Parameters<Bench["diagram"]>[1]) => holder(slot).diagram(slot, options),
  compare: (...both: Parameters<Bench["compare"]>) => own.compare(...both),
  card: (slot: Slot, path: string) => holder(slot).card(slot, path),
  weights: (slot: Slot, path: string) => holder(slot).weights(slot, path),
  onnx: (slot: Slot, seed: number) => holder(slot).onnx(slot, seed),
};
