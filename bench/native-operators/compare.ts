/** Times the native step against the product's and PyTorch's, in turn, each in a process of its own. */
import { fileURLToPath } from "node:url";
import type { Case, Network } from "../cases.ts";
import { environment } from "../report.ts";
import { median, PYTHON, type Side, start } from "../side.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const node = (file: string) => [process.execPath, "--import", "tsx", here(file)];

const SIDES: Readonly<Record<string, readonly string[]>> = {
  native: node("peer.ts"),
  product: [process.execPath, here("../peers/convnets.mjs")],
  "PyTorch channels_last": [PYTHON, here("../peers/pytorch.py"), "channels_last"],
};

export interface Compared {
  readonly network: string;
  readonly batch: number;
  readonly side: number;
  /** Turns that each side is timed for. */
  readonly rounds: number;
}

/** Prints the median step of each side, and of the others' steps over the native ones that were made just before. */
export async function compare({ network, batch, side, rounds }: Compared): Promise<void> {
  const given: Case = { network: network as Network, mode: "train", batch, size: side };
  const sides: { name: string; runner: Side; wall: number[] }[] = [];
  for (const [name, command] of Object.entries(SIDES)) {
    const started = await start(command, given);
    if (started) sides.push({ name, runner: started, wall: [] });
    else console.log(`${name}: not available`);
  }
  // engines plan memory in their first runs
  for (let i = 0; i < 2; i++) for (const one of sides) await one.runner.go();
  for (let i = 0; i < rounds; i++) for (const one of sides) one.wall.push(await one.runner.go());
  console.log(`${environment(PYTHON)}\n${network}, ${batch} images of ${side}×${side}, ${rounds} rounds`);
  const native = sides[0]!;
  for (const one of sides) {
    const ratios = one.wall.map((wall, i) => wall / native.wall[i]!);
    const spread = `${Math.min(...ratios).toFixed(2)} … ${Math.max(...ratios).toFixed(2)}`;
    const memory = Math.round((await one.runner.end()) / 1e6);
    console.log(
      `${one.name.padEnd(22)} ${median(one.wall).toFixed(1).padStart(8)} ms  ${median(ratios).toFixed(2)}× native [${spread}]  ${memory} MB`,
    );
  }
}
