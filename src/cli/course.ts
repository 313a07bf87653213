import { type StepEvent, type TrainEvent, together } from "../train/index.ts";
import { grouped, percent } from "./format.ts";

/** Images per second, as people read them. */
export const speed = (imagesPerSecond: number) =>
  imagesPerSecond < 10 ? imagesPerSecond.toFixed(1) : grouped(Math.round(imagesPerSecond));

/** What both views know of the run so far. */
export class Course {
  epochs = 1;
  stepsPerEpoch = 1;
  validated = false;
  #steps: StepEvent[] = [];
  #seen = 0;
  #validationSeconds = 0;

  take(event: TrainEvent): void {
    if (event.type === "start") {
      this.epochs = event.epochs;
      this.stepsPerEpoch = event.stepsPerEpoch;
      // a run without validation has the negative loss of its best epoch here
      this.validated = (event.progress.best?.value ?? 0) > 0;
    }
    if (event.type === "step") {
      // the first step of a process is slow, as the engine prepares itself
      this.#steps = this.#seen++ === 1 ? [event] : [...this.#steps.slice(-19), event];
    }
    if (event.type === "epoch" && event.validation) {
      this.validated = true;
      this.#validationSeconds = event.validation.seconds;
    }
  }

  #sum(key: "images" | "seconds"): number {
    return this.#steps.reduce((sum, step) => sum + step[key], 0);
  }

  /** Over the last steps. */
  get imagesPerSecond(): number {
    return this.#sum("images") / this.#sum("seconds");
  }

  /** What several ranks do, over the last steps; nothing of a process by itself. */
  get ranks(): string[] {
    const all = this.#steps.flatMap(({ ranks }) => (ranks ? [ranks] : []));
    const [first] = all;
    if (!first) return [];
    const sum = (rank: number, key: "waited" | "computed") =>
      all.reduce((total, ranks) => total + ranks[rank]![key], 0);
    const summed = first.map((one, i) => ({ ...one, waited: sum(i, "waited"), computed: sum(i, "computed") }));
    const seconds = this.#sum("seconds");
    const { communication, slowest } = together({ ranks: summed, seconds });
    return [
      `${speed(this.imagesPerSecond / first.length)} per rank`,
      `communication ${percent(communication / seconds)}`,
      `slowest ${slowest}`,
    ];
  }

  /** Until the end of the run, evaluations included. */
  secondsLeft({ epoch, batch }: StepEvent): number {
    const steps = (this.epochs - epoch) * this.stepsPerEpoch - batch;
    const perStep = this.#sum("seconds") / this.#steps.length;
    return steps * perStep + (this.epochs - epoch) * this.#validationSeconds;
  }
}
