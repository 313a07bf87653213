/** The worker of the experiments that train or measure; `protocol.ts` has its messages. */
import * as Comlink from "comlink";
import { loadEngine } from "../../engine/engine.ts";
import { auxiliary } from "./auxiliary.ts";
import { normalize } from "./normalize.ts";
import type { Lab } from "./protocol.ts";
import { sparse } from "./sparse.ts";

// small networks wait for a GPU more than they gain from it, and the numbers are the same everywhere on the processor
const lab: Lab = {
  engine: async () => (await loadEngine("wasm")).info,

  async run(question, report) {
    const { engine } = await loadEngine("wasm");
    if (question.kind === "auxiliary") return auxiliary(question, engine, report);
    if (question.kind === "normalize") return normalize(question, engine, report);
    return sparse(question, engine, report);
  },
};

Comlink.expose(lab);
