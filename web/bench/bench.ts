/** What the workers answer, for networks from any source: registered ones and files, or code of the reader's own. */
import { diagram } from "convnets/draw";
import { layerCode, layerSettings, type Trace, trace } from "convnets/nn";
import { compareSummaries, summarizeTrace } from "convnets/summary";
import { applyEdits, moduleAt, problemOf } from "./edit.ts";
import { families } from "./families.ts";
import type { Loaded } from "./load.ts";
import type { Bench, Slot, Source } from "./protocol.ts";
import { trainable } from "./trainable.ts";
import { weightsOf } from "./weights.ts";

interface Open extends Loaded {
  readonly traced: Trace;
}

/** A bench that loads networks with this function. */
export function createBench(load: (source: Source) => Promise<Loaded>): Bench {
  const slots = new Map<Slot, Open>();
  const opened = (slot: Slot): Open => {
    const found = slots.get(slot);
    if (!found) throw new Error("no network is open");
    return found;
  };
  return {
    families,

    async open(slot, source, edits) {
      const loaded = await load(source);
      let traced: Trace;
      try {
        applyEdits(loaded.model, edits);
        traced = trace(loaded.model, loaded.input, { training: false });
      } catch (error) {
        if (edits.length === 0) throw error;
        return { problem: problemOf(loaded, edits, error as Error) };
      }
      const summary = summarizeTrace(traced);
      slots.set(slot, { ...loaded, traced });
      const { title, input, weights, notes } = loaded;
      const settings = Object.fromEntries(
        [...loaded.model.modules()].map(([path, module]) => [path, layerSettings(module)]),
      );
      return { network: { title, input, weights, notes, summary, settings } };
    },

    diagram: (slot, options) => diagram(opened(slot).traced, options),

    compare: compareSummaries,

    card(slot, path) {
      const module = moduleAt(opened(slot).model, path);
      if (!module) return undefined;
      const code = layerCode(module);
      const parameters = [...module.stateShapes()].map(([key, shape]) => ({ key, shape }));
      return { path, type: module.type, settings: layerSettings(module), parameters, ...(code && { code }) };
    },

    onnx: (slot, seed) => trainable(opened(slot), seed),

    weights(slot, path) {
      const module = moduleAt(opened(slot).model, path);
      return module && weightsOf(module, path);
    },
  };
}
