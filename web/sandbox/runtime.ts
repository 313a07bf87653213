/**
 * The worker in which the reader's code runs. It is started from text, with the code in front, by a frame whose policy allows no
 * network; see `sandbox.ts`.
 */
import * as Comlink from "comlink";
import * as root from "convnets";
import * as models from "convnets/models";
import * as nn from "convnets/nn";
import { createBench } from "../bench/bench.ts";
import type { Loaded } from "../bench/load.ts";

// the reader's line is deep below what it calls, and Chromium keeps ten lines otherwise
Error.stackTraceLimit = 50;

/** What the code may import. */
const ROOMS: Readonly<Record<string, object>> = { convnets: root, "convnets/nn": nn, "convnets/models": models };

interface Started {
  /** The reader's code as a function, which `sandbox.ts` writes in front of this worker. */
  readonly convnetsCode: (require: (name: string) => object, exports: Record<string, unknown>) => void;
}

function require(name: string): object {
  const room = ROOMS[name];
  if (!room) throw new Error(`"${name}" cannot be imported here; there are ${Object.keys(ROOMS).join(", ")}`);
  return room;
}

/** Side in pixels of the images of networks that do not record it. */
const SIDE = 224;

/** The network that the code exports. */
function load(): Loaded {
  const exports: Record<string, unknown> = {};
  (self as unknown as Started).convnetsCode(require, exports);
  const { default: found = Object.values(exports)[0] } = exports;
  const model = typeof found === "function" ? made(found) : found;
  if (!(model instanceof nn.Module))
    throw new Error(
      "the code has to export a network: a class that extends Module, a function that returns one, or a Module",
    );
  const { inChannels = 3, inputSize = SIDE } = model.spec ?? {};
  const notes =
    model.spec?.inputSize === undefined
      ? [
          `the code does not say the size of its images; assuming ${SIDE}×${SIDE}. Set it with: override readonly spec = { inputSize: 64 }`,
        ]
      : [];
  return { title: model.type, model, input: [1, inChannels, inputSize, inputSize], weights: "random", notes };
}

function made(found: object): unknown {
  const { prototype } = found as { prototype?: unknown };
  return prototype instanceof nn.Module ? new (found as new () => nn.Module)() : (found as () => unknown)();
}

self.addEventListener("message", ({ ports: [port] }) => {
  if (port)
    Comlink.expose(
      createBench(async () => load()),
      port,
    );
});
