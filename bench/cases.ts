/** What is timed. A case is one line of JSON to every peer. */
export interface Case {
  readonly network: Network;
  readonly mode: "infer" | "train";
  readonly batch: number;
  readonly size: number;
}

/** Side of the images in pixels, the batches of inference, and that of the training step: what fits two cores and is usual. */
const NETWORKS = {
  vgg_small: { size: 32, infer: [1, 8, 32], train: 64 },
  inception_small: { size: 64, infer: [1, 8, 32], train: 32 },
  nin: { size: 32, infer: [1, 8, 32], train: 64 },
  resnet18: { size: 224, infer: [1, 8, 32], train: 16 },
  mobilenet_v2: { size: 224, infer: [1, 8, 32], train: 16 },
  googlenet: { size: 224, infer: [1, 8, 32], train: 16 },
  vgg16: { size: 224, infer: [1, 8, 32], train: 8 },
} as const;

export type Network = keyof typeof NETWORKS;

export const CASES: readonly Case[] = (Object.keys(NETWORKS) as Network[]).flatMap((network) => {
  const { size, infer, train } = NETWORKS[network];
  return [
    ...infer.map((batch): Case => ({ network, mode: "infer", batch, size })),
    { network, mode: "train", batch: train, size },
  ];
});

export const nameOf = ({ network, mode, batch }: Case) =>
  `${network} ${mode === "infer" ? "inference" : "training step"}, batch ${batch}`;
