import { check } from "../graph/index.ts";

/** Throws for a learning rate among an optimizer's options, as PyTorch's optimizers have it. */
export function checkRate(who: string, options: object): void {
  const lr = "lr" in options ? options.lr : "learningRate" in options ? options.learningRate : undefined;
  check(
    lr === undefined,
    () => `${who}: the learning rate is set by the schedule, such as fit(model, { schedule: constantRate(${lr}) })`,
  );
}

/** Throws unless each number lies in [0, 1), weight decay in [0, ∞). */
export function checkRanges(who: string, numbers: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(numbers)) {
    const most = name === "weightDecay" ? Number.POSITIVE_INFINITY : 1;
    check(value >= 0 && value < most, () => `${who}: ${name} has to lie in [0, ${most}), but is ${value}`);
  }
}
