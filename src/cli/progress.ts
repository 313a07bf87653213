import type { Evaluation } from "../train/evaluate.ts";
import type { EpochEvent, StartEvent, StepEvent, TrainEvent } from "../train/events.ts";

export interface View {
  show(event: TrainEvent): void;
  /** Leaves the terminal as it was found. */
  close(): void;
}

type Output = Pick<NodeJS.WriteStream, "write" | "isTTY" | "columns">;

/** Shows a training: a live line on a terminal, plain lines in a pipe, JSON lines for programs. */
export function terminalView(out: Output, { json = false }: { json?: boolean } = {}): View {
  if (json) return jsonView(out);
  return out.isTTY ? new LiveView(out) : new PlainView(out);
}

function jsonView(out: Output): View {
  return {
    show(event) {
      if (event.type !== "checkpoint" && event.type !== "evaluating") out.write(`${JSON.stringify(event)}\n`);
    },
    close() {},
  };
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
const count = (value: number) => value.toLocaleString("en-US");

/** 75 → "1:15" */
function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number) => String(value).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function startLine({ trainable, parameters, epochs, stepsPerEpoch, engine, progress }: StartEvent): string {
  const frozen = trainable === parameters ? "" : ` of ${count(parameters)}`;
  const resumed = progress.step > 0 ? `, going on after step ${count(progress.step)}` : "";
  return `Training ${count(trainable)}${frozen} parameters for ${epochs} epochs of ${count(stepsPerEpoch)} steps on ${engine}${resumed}.`;
}

function epochLine({ epoch, train, validation, best }: EpochEvent, epochs: number): string {
  const shown = [
    `loss ${train.loss.toFixed(4)}`,
    `accuracy ${percent(train.accuracy)}`,
    ...(validation ? validated(validation) : []),
  ];
  const speed = `${Math.round(train.images / train.seconds)} images/s`;
  return `epoch ${String(epoch + 1).padStart(String(epochs).length)}/${epochs}  ${shown.join("  ")}  ${speed}  ${clock(train.seconds)}${best ? "  best" : ""}`;
}

function validated({ loss, top1, top5, perClass }: Evaluation): string[] {
  return [
    `validation loss ${loss.toFixed(4)}`,
    `top-1 ${percent(top1)}`,
    ...(perClass.length > 10 ? [`top-5 ${percent(top5)}`] : []),
  ];
}

function endLine(event: Extract<TrainEvent, { type: "end" }>): string {
  const why = { finished: "Finished", "early stopping": "Stopped early, as it got no better", stopped: "Stopped" }[
    event.reason
  ];
  const { best } = event;
  return `${why} after ${event.epochs} epochs${best && best.value > 0 ? `; best top-1 ${percent(best.value)} in epoch ${best.epoch + 1}` : ""}.`;
}

/** Running speed over the last steps. */
class Speed {
  #steps: { images: number; seconds: number }[] = [];

  add({ images, seconds }: StepEvent): void {
    this.#steps.push({ images, seconds });
    if (this.#steps.length > 20) this.#steps.shift();
  }

  #sum(key: "images" | "seconds"): number {
    return this.#steps.reduce((sum, step) => sum + step[key], 0);
  }

  get imagesPerSecond(): number {
    return this.#sum("images") / this.#sum("seconds");
  }

  get secondsPerStep(): number {
    return this.#sum("seconds") / this.#steps.length;
  }
}

/** A line about every tenth of an epoch. */
class PlainView implements View {
  readonly #out: Output;
  #start: StartEvent | undefined;
  readonly #speed = new Speed();

  constructor(out: Output) {
    this.#out = out;
  }

  show(event: TrainEvent): void {
    if (event.type === "start") {
      this.#start = event;
      this.#out.write(`${startLine(event)}\n`);
    }
    if (event.type === "step") {
      this.#speed.add(event);
      const { stepsPerEpoch = 1, epochs = 1 } = this.#start ?? {};
      if (event.batch % Math.max(1, Math.ceil(stepsPerEpoch / 10)) !== 0) return;
      const speed = `${Math.round(this.#speed.imagesPerSecond)} images/s`;
      this.#out.write(
        `epoch ${event.epoch + 1}/${epochs}  step ${event.batch}/${stepsPerEpoch}  loss ${event.loss.toFixed(4)}  accuracy ${percent(event.accuracy)}  lr ${event.lr.toPrecision(3)}  ${speed}\n`,
      );
    }
    if (event.type === "epoch") this.#out.write(`${epochLine(event, this.#start?.epochs ?? 1)}\n`);
    if (event.type === "end") this.#out.write(`${endLine(event)}\n`);
  }

  close(): void {}
}

const CLEAR = "\r\x1b[K";
const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";

/** One line that is written over, and a lasting line per epoch. */
class LiveView implements View {
  readonly #out: Output;
  #start: StartEvent | undefined;
  #speed = new Speed();
  #loss = 0;
  #accuracy = 0;
  readonly #restore = () => this.#out.write(SHOW_CURSOR);

  constructor(out: Output) {
    this.#out = out;
    out.write(HIDE_CURSOR);
    process.once("exit", this.#restore);
  }

  show(event: TrainEvent): void {
    switch (event.type) {
      case "start":
        this.#start = event;
        this.#last(startLine(event));
        break;
      case "step":
        this.#step(event);
        break;
      case "evaluating":
        this.#live(
          `epoch ${event.epoch + 1}/${this.#start?.epochs}  validating`,
          event.images / event.total,
          `${count(event.images)}/${count(event.total)} images`,
        );
        break;
      case "epoch":
        this.#last(epochLine(event, this.#start?.epochs ?? 1));
        break;
      case "end":
        this.#last(endLine(event));
        break;
      case "checkpoint":
        break;
      default:
        event satisfies never;
    }
  }

  close(): void {
    this.#out.write(`${CLEAR}${SHOW_CURSOR}`);
    process.off("exit", this.#restore);
  }

  #step(event: StepEvent): void {
    this.#speed.add(event);
    // a running mean, since single batches jump
    const weight = event.batch === 1 ? 1 : 0.1;
    this.#loss += weight * (event.loss - this.#loss);
    this.#accuracy += weight * (event.accuracy - this.#accuracy);
    const { stepsPerEpoch = 1, epochs = 1 } = this.#start ?? {};
    const left = (epochs - event.epoch) * stepsPerEpoch - event.batch;
    this.#live(
      `epoch ${event.epoch + 1}/${epochs}`,
      event.batch / stepsPerEpoch,
      `loss ${this.#loss.toFixed(3)}  accuracy ${percent(this.#accuracy)}  ${Math.round(this.#speed.imagesPerSecond)} images/s  ${clock(left * this.#speed.secondsPerStep)} left`,
    );
  }

  /** `title [bar] facts`, cut to the width of the terminal; the bar takes what room there is. */
  #live(title: string, share: number, facts: string): void {
    const width = (this.#out.columns ?? 80) - 1;
    const room = Math.min(40, width - title.length - facts.length - 6);
    const filled = Math.round(room * share);
    const bar = room >= 4 ? `  ${"━".repeat(filled)}${"─".repeat(room - filled)}` : "";
    this.#out.write(`${CLEAR}${`${title}${bar}  ${facts}`.slice(0, width)}`);
  }

  #last(text: string): void {
    this.#out.write(`${CLEAR}${text}\n`);
  }
}
