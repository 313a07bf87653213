/** The worker that holds the networks; `protocol.ts` has its messages. */
import * as Comlink from "comlink";
import { createBench } from "./bench.ts";
import { load } from "./load.ts";

Comlink.expose(createBench(load));
