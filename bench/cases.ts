/** What is timed. A case is one line of JSON to every peer. */
export interface Case {
  readonly network: "vgg16" | "nin" | "googlenet";
  readonly mode: "infer" | "train";
  readonly batch: number;
  readonly size: number;
}

const SIZES = { vgg16: 224, nin: 32, googlenet: 224 } as const;
/** Batches of the training step: what fits two cores and is usual for the network. */
const TRAIN_BATCH = { vgg16: 8, nin: 64, googlenet: 16 } as const;

export const CASES: readonly Case[] = (["nin", "googlenet", "vgg16"] as const).flatMap((network) => [
  ...[1, 8].map((batch): Case => ({ network, mode: "infer", batch, size: SIZES[network] })),
  { network, mode: "train", batch: TRAIN_BATCH[network], size: SIZES[network] },
]);

export const nameOf = ({ network, mode, batch }: Case) =>
  `${network} ${mode === "infer" ? "inference" : "training step"}, batch ${batch}`;
