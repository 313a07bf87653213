/**
 * Mean and standard deviation of the pixels of known training sets, per channel, on a scale of [0, 1]: options of
 * `normalize`. ImageNet's are those that torchvision's weights were trained with.
 */
export const NORMALIZATION = {
  shapes: { mean: [0.498, 0.499, 0.499], std: [0.287, 0.288, 0.287] },
  cifar10: { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] },
  cifar100: { mean: [0.5071, 0.4865, 0.4409], std: [0.2673, 0.2564, 0.2762] },
  mnist: { mean: [0.1307], std: [0.3081] },
  "fashion-mnist": { mean: [0.286], std: [0.353] },
  imagenet: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
} as const satisfies Record<string, { mean: readonly number[]; std: readonly number[] }>;
