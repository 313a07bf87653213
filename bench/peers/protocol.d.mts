import type { Case, Network } from "../cases.ts";

/** Makes a case ready; what it gives runs it once. */
export type Prepare = (given: {
  network: Network;
  mode: Case["mode"];
  batch: number;
  size: number;
}) => Promise<(() => Promise<void>) | undefined>;

export function serve(prepare: Prepare): Promise<void>;
export function pictures(length: number): Float32Array<ArrayBuffer>;
