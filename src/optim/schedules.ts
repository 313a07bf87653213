import { check } from "../graph/index.ts";

/** The learning rate as a function of the progress in epochs (2.5: halfway through the third) and of how many there will be. */
export type Schedule = (epoch: number, epochs: number) => number;

/** The same rate throughout. */
export const constantRate =
  (lr: number): Schedule =>
  () =>
    lr;

/** Times `gamma` every `stepSize` epochs (StepLR). */
export const stepRate =
  (lr: number, { stepSize, gamma = 0.1 }: { stepSize: number; gamma?: number }): Schedule =>
  (epoch) =>
    lr * gamma ** Math.floor(epoch / stepSize);

/** Times `gamma` at each milestone (MultiStepLR). */
export const multiStepRate =
  (lr: number, { milestones, gamma = 0.1 }: { milestones: readonly number[]; gamma?: number }): Schedule =>
  (epoch) =>
    lr * gamma ** milestones.filter((milestone) => epoch >= milestone).length;

/** Half a cosine from lr down to `minLr` (Loshchilov and Hutter 2017, without restarts). */
export const cosineRate =
  (lr: number, { minLr = 0 }: { minLr?: number } = {}): Schedule =>
  (epoch, epochs) =>
    minLr + ((lr - minLr) * (1 + Math.cos((Math.PI * Math.min(epoch, epochs)) / epochs))) / 2;

/** lr · (1 − progress)^power, with which GoogLeNet was trained in Caffe (power 0.5). */
export const polynomialRate =
  (lr: number, { power = 0.5 }: { power?: number } = {}): Schedule =>
  (epoch, epochs) =>
    lr * (1 - Math.min(epoch / epochs, 1)) ** power;

/** Rises linearly from `start`·rate over the first epochs, then follows the schedule over those that are left. */
export function warmup(
  schedule: Schedule,
  { epochs: warm, start = 0.01 }: { epochs: number; start?: number },
): Schedule {
  check(warm >= 0, () => `warmup: the number of epochs has to be 0 or more, but is ${warm}`);
  return (epoch, epochs) => {
    if (epoch >= warm) return schedule(epoch - warm, Math.max(epochs - warm, 1e-9));
    return schedule(0, Math.max(epochs - warm, 1e-9)) * (start + (1 - start) * (epoch / warm));
  };
}
