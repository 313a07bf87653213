import { check, checkOptions, describe } from "../graph/index.ts";

/** The learning rate as a function of the progress in epochs (2.5: halfway through the third) and of their total number. */
export type Schedule = (epoch: number, epochs: number) => number;

/** The same rate throughout. */
export function constantRate(lr: number): Schedule {
  checkNumber("constantRate", "lr", lr);
  return () => lr;
}

/** Times `gamma` every `stepSize` epochs (StepLR). */
export function stepRate(lr: number, options: { stepSize: number; gamma?: number }): Schedule {
  checkNumber("stepRate", "lr", lr);
  checkOptions("stepRate", options, { stepSize: "number", gamma: "number" });
  const { stepSize, gamma = 0.1 } = options;
  checkNumber("stepRate", "stepSize", stepSize);
  check(stepSize > 0, () => `stepRate: stepSize has to be above 0, but is ${stepSize}`);
  return (epoch) => lr * gamma ** Math.floor(epoch / stepSize);
}

/** Times `gamma` at each milestone (MultiStepLR). */
export function multiStepRate(lr: number, options: { milestones: readonly number[]; gamma?: number }): Schedule {
  checkNumber("multiStepRate", "lr", lr);
  checkOptions("multiStepRate", options, { milestones: "any", gamma: "number" });
  const { milestones, gamma = 0.1 } = options;
  check(Array.isArray(milestones), () => "multiStepRate: milestones has to be a list of epochs, such as [30, 60]");
  return (epoch) => lr * gamma ** milestones.filter((milestone) => epoch >= milestone).length;
}

/** Half a cosine from lr down to `minLr` (Loshchilov and Hutter 2017, without restarts). */
export function cosineRate(lr: number, options: { minLr?: number } = {}): Schedule {
  checkNumber("cosineRate", "lr", lr);
  checkOptions("cosineRate", options, { minLr: "number" });
  const { minLr = 0 } = options;
  return (epoch, epochs) => minLr + ((lr - minLr) * (1 + Math.cos((Math.PI * Math.min(epoch, epochs)) / epochs))) / 2;
}

/** lr · (1 − progress)^power, with which GoogLeNet was trained in Caffe (power 0.5). */
export function polynomialRate(lr: number, options: { power?: number } = {}): Schedule {
  checkNumber("polynomialRate", "lr", lr);
  checkOptions("polynomialRate", options, { power: "number" });
  const { power = 0.5 } = options;
  return (epoch, epochs) => lr * (1 - Math.min(epoch / epochs, 1)) ** power;
}

/** Rises linearly from `start` (0.01 by default) times the rate over the first epochs, then follows the schedule over the rest. */
export function warmup(schedule: Schedule, options: { epochs: number; start?: number }): Schedule {
  checkOptions("warmup", options, { epochs: "number", start: "number" });
  const { epochs: warm, start = 0.01 } = options;
  check(
    typeof schedule === "function",
    () => "warmup: needs a schedule, such as warmup(cosineRate(0.1), { epochs: 1 })",
  );
  check(warm >= 0, () => `warmup: epochs has to be 0 or more, but is ${warm}`);
  return (epoch, epochs) => {
    if (epoch >= warm) return schedule(epoch - warm, Math.max(epochs - warm, 1e-9));
    return schedule(0, Math.max(epochs - warm, 1e-9)) * (start + (1 - start) * (epoch / warm));
  };
}

function checkNumber(who: string, name: string, value: unknown): void {
  check(
    typeof value === "number" && Number.isFinite(value),
    () => `${who}: ${name} has to be a number, but is ${describe(value)}`,
  );
}
