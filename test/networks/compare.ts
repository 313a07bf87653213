/** Our results beside PyTorch's in float64. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PythonServer } from "../support/python-server.ts";
import { shared } from "../support/skip.ts";
import type { Case } from "./cases.ts";
import { type ComputeOptions, compute } from "./ours.ts";

/**
 * By how much results may be off: norm of the difference, as a share of the norm. Some four times what was seen over six seeds,
 * so that another order of sums passes and a fault of 1e-4 does not.
 */
export const TOLERANCES = {
  /** Outputs in evaluation, where PyTorch computes the largest networks in float32 as well. */
  outputs: 5e-5,
  losses: 5e-6,
  /** Logarithms of the probabilities of all outputs, in training. */
  scores: 5e-6,
  /** Behind each ReLU, and before each max-pool. */
  activations: 3e-5,
  /** Largest distance from a kink at which a value is on another side than in float64, in standard deviations. */
  flips: 5e-5,
  gradients: 5e-5,
  /** How far weights and running statistics moved in all steps, and the momentum. */
  state: 5e-5,
} as const;

export type Kind = keyof typeof TOLERANCES;

/** By how much each result is off. */
export type Found = Readonly<Partial<Record<Kind, Readonly<Record<string, number>>>>>;

const script = (name: string) => readFileSync(new URL(name, import.meta.url), "utf8");
const REFERENCE = `${script("./papers.py")}\n\n${script("./reference.py")}`;

/** One computation to compare; what `plant` does to the library before it is undone after it. */
export interface Run extends ComputeOptions {
  readonly plant?: () => () => void;
}

/** PyTorch for each list of modules: started once for all networks. */
const references = new Map<string, PythonServer>();

function reference(modules: readonly string[]): PythonServer {
  const key = modules.join();
  const started = references.get(key) ?? new PythonServer(REFERENCE, modules, [shared("seed").path]);
  references.set(key, started);
  return started;
}

/** Computes a network once for each run, and compares. */
export async function compare(example: Case, modules: readonly string[], runs: readonly Run[]): Promise<Found[]> {
  const folder = mkdtempSync(join(tmpdir(), "convnets-parity-"));
  try {
    const folders: string[] = [];
    for (const [i, { plant, ...options }] of runs.entries()) {
      const undo = plant?.();
      folders.push(await compute(example, join(folder, `${i}`), options).finally(undo));
    }
    return await reference(modules).ask<Found[]>({ expression: example.python, folders });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The result of a kind that is off most, if it is off by too much. */
export function worst(found: Found, kind: Kind): string | undefined {
  const shares = Object.entries(found[kind] ?? {});
  const [name, share] = shares.reduce((a, b) => (a[1] >= b[1] ? a : b), ["", 0]);
  if (process.env.PARITY_REPORT) console.log(`${kind}: ${share.toExponential(1)} (${name})`);
  // a share that is no number is too much as well
  return share <= TOLERANCES[kind] ? undefined : `${name} is off by ${share}`;
}
