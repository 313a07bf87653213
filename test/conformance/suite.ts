/**
 * What every engine has to do, as named cases with plain assertions, so that they run in Node and in a browser alike. Each
 * implementation's own test only says how its engine is made and what can be measured of it.
 */
import type { Case } from "./case.ts";
import { memory, state } from "./cases/memory.ts";
import { inference, training } from "./cases/networks.ts";
import { operators } from "./cases/operators.ts";
import { basics, errors } from "./cases/running.ts";

export { attempt, type Case, type Setting } from "./case.ts";

/** Memory is measured first: on WebGPU, ONNX Runtime keeps all weights for good once it failed to compile something. */
export const SUITE: readonly Case[] = [...basics, ...memory, ...errors, operators, ...inference, ...training, ...state];
