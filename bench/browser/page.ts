/** Training steps in a browser, for bench/browser.ts. */
import { webEngine } from "convnets/web";
import { type Plan, training } from "../gpu/measure.ts";

Object.assign(globalThis, {
  measure: async (plan: Plan, threads: number) => training(await webEngine({ threads }), plan),
});
