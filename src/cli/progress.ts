import type { EndEvent, EpochEvent, Evaluation, StartEvent, StepEvent, TrainEvent } from "../train/index.ts";
import { Course, speed } from "./course.ts";
import { clock, grouped, percent } from "./format.ts";

/** Shows a training to whoever started it. */
export interface View {
  show(event: TrainEvent): void;
  /** Says something else, on a line of its own. */
  note(text: string): void;
  /** Leaves the terminal as it was found. */
  close(): void;
}

export interface ViewOptions {
  /** JSON lines, for programs. */
  readonly json?: boolean;
  /** Nothing at all. */
  readonly quiet?: boolean;
}

/** What a view needs of a stream. */
export type Output = Pick<NodeJS.WriteStream, "write"> & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  hasColors?(): boolean;
};

/** Shows a training: a live line on a terminal, plain lines in a pipe, JSON lines for programs. */
export function terminalView(out: Output, { json = false, quiet = false }: ViewOptions = {}): View {
  if (json) return jsonView(out);
  if (quiet) return { show() {}, note() {}, close() {} };
  // a dumb terminal cannot write over a line
  return out.isTTY && process.env.TERM !== "dumb" ? new LiveView(out) : new PlainView(out);
}

function jsonView(out: Output): View {
  return {
    show(event) {
      if (event.type !== "checkpoint" && event.type !== "evaluating") out.write(`${JSON.stringify(event)}\n`);
    },
    note(text) {
      out.write(`${JSON.stringify({ type: "note", text })}\n`);
    },
    close() {},
  };
}

// What is said on a terminal and in a pipe alike

function startLine({ trainable, parameters, epochs, stepsPerEpoch, engine, progress }: StartEvent): string {
  const frozen = trainable === parameters ? "" : ` of ${grouped(parameters)}`;
  const resumed = progress.step > 0 ? `, going on after step ${grouped(progress.step)}` : "";
  return `Training ${grouped(trainable)}${frozen} parameters for ${many(epochs, "epoch")} of ${many(stepsPerEpoch, "step")} on ${engine}${resumed}.`;
}

function endLine({ reason, epochs, best }: EndEvent, validated: boolean): string {
  const why = { finished: "Finished", "early stopping": "Stopped early, as it got no better,", stopped: "Stopped" };
  const value =
    best && (validated && best.value >= 0 ? `top-1 ${percent(best.value)}` : `loss ${(-best.value).toFixed(4)}`);
  return `${why[reason]} after ${many(epochs, "epoch")}${best ? `; best ${value} in epoch ${best.epoch + 1}` : ""}.`;
}

const many = (count: number, what: string) => `${grouped(count)} ${what}${count === 1 ? "" : "s"}`;
/** `epoch  3/20` */
const title = (epoch: number, epochs: number) => `${String(epoch + 1).padStart(String(epochs).length)}/${epochs}`;
const rate = (lr: number) => String(Number(lr.toPrecision(3)));

/** What stands for the quality in a line: the accuracy, or the F1 of several labels per image. */
function quality({ accuracy, metrics }: Pick<StepEvent, "accuracy" | "metrics">): { name: string; value: number } {
  const isClasses = !Number.isNaN(accuracy) || metrics.f1 === undefined;
  return isClasses ? { name: "accuracy", value: accuracy } : { name: "F1", value: metrics.f1! };
}

/** What stands for a validation, by name. */
function validated({ top1, top5, perClass, perLabel, metrics }: Evaluation): [name: string, value: number][] {
  if (perLabel)
    return [
      ["mAP", metrics.meanAveragePrecision!],
      ["valid. F1", metrics.f1 ?? Number.NaN],
    ];
  return [["top-1", top1], ...(perClass.length > 10 ? [["top-5", top5] as [string, number]] : [])];
}

/** Seconds of steps after which a line is due before the next tenth of an epoch. */
const LONGEST_SILENCE = 30;

/** A line every tenth of an epoch and every half a minute, with means over the steps since the line before. */
class PlainView implements View {
  readonly #out: Output;
  readonly #course = new Course();
  #since = { loss: 0, right: 0, images: 0, seconds: 0 };
  #tenth = 0;

  constructor(out: Output) {
    this.#out = out;
  }

  show(event: TrainEvent): void {
    this.#course.take(event);
    if (event.type === "start") this.note(startLine(event));
    if (event.type === "step") this.#step(event);
    if (event.type === "epoch") this.note(plainEpoch(event, this.#course.epochs));
    if (event.type === "end") this.note(endLine(event, this.#course.validated));
  }

  #step(event: StepEvent): void {
    const { loss, images, epoch, batch, lr, seconds } = event;
    const { name, value } = quality(event);
    const { epochs, stepsPerEpoch, imagesPerSecond } = this.#course;
    this.#since.loss += loss * images;
    this.#since.right += value * images;
    this.#since.images += images;
    this.#since.seconds += seconds;
    const tenth = Math.floor((10 * (epoch * stepsPerEpoch + batch)) / stepsPerEpoch);
    if (tenth === this.#tenth && this.#since.seconds < LONGEST_SILENCE) return;
    this.#tenth = tenth;
    const mean = (sum: number) => sum / this.#since.images;
    this.note(
      [
        `epoch ${title(epoch, epochs)}`,
        `step ${String(batch).padStart(String(stepsPerEpoch).length)}/${stepsPerEpoch}`,
        `loss ${mean(this.#since.loss).toFixed(4)}`,
        `${name} ${percent(mean(this.#since.right))}`,
        `lr ${rate(lr)}`,
        `${speed(imagesPerSecond)} images/s`,
        ...this.#course.ranks,
        `${clock(this.#course.secondsLeft(event))} left`,
      ].join("  "),
    );
    this.#since = { loss: 0, right: 0, images: 0, seconds: 0 };
  }

  note(text: string): void {
    this.#out.write(`${text}\n`);
  }

  close(): void {}
}

function plainEpoch({ epoch, train, validation, best }: EpochEvent, epochs: number): string {
  const { name, value } = quality(train);
  return [
    `epoch ${title(epoch, epochs)}`,
    `loss ${train.loss.toFixed(4)}`,
    `${name} ${percent(value)}`,
    ...(validation
      ? [
          `validation loss ${validation.loss.toFixed(4)}`,
          ...validated(validation).map(([name, value]) => `${name} ${percent(value)}`),
        ]
      : []),
    `${speed(train.images / train.seconds)} images/s`,
    clock(train.seconds),
    ...(best ? ["best"] : []),
  ].join("  ");
}

const CLEAR_TO_END = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";
/** What is too long is cut off instead: the window may have changed a moment before we are told. */
const NO_WRAP = "\x1b[?7l";
const WRAP = "\x1b[?7h";
const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";

const COLOURS = { bar: 36, rest: 2, head: 2, best: 32 } as const;

/** A part of a line: where the line is too long, parts go by their rank, the highest first. */
interface Part {
  readonly text: string;
  readonly rank: number;
}

const GAP = 2;
const MIN_BAR = 6;
const MAX_BAR = 40;
/** ms between two drawings of the live line. */
const FRAME = 50;

const widthOf = (parts: readonly Part[]) =>
  parts.reduce((sum, { text }) => sum + text.length, GAP * Math.max(0, parts.length - 1));

/** The parts that have room, in their order. */
function fitting<P extends Part>(parts: readonly P[], room: number): readonly P[] {
  let kept = parts;
  while (kept.length > 1 && widthOf(kept) > room) {
    const last = Math.max(...kept.map(({ rank }) => rank));
    kept = kept.filter(({ rank }) => rank !== last);
  }
  return kept;
}

/** One line that is written over, and above it a table with a row per epoch. */
class LiveView implements View {
  readonly #out: Output;
  readonly #course = new Course();
  /** Means that forget: single batches jump. */
  #recent = { loss: 0, accuracy: 0, weight: 0 };
  #drawn = Number.NEGATIVE_INFINITY;
  #header = "";
  /** Characters of the live line that is on the screen. */
  #length = 0;
  #hidden = false;
  readonly #restore = () => {
    this.#out.write(SHOW_CURSOR);
  };

  constructor(out: Output) {
    this.#out = out;
  }

  show(event: TrainEvent): void {
    this.#course.take(event);
    switch (event.type) {
      case "start":
        this.note(startLine(event));
        break;
      case "step":
        this.#step(event);
        break;
      case "evaluating": {
        const { epoch, images, total } = event;
        const count = `${grouped(images)}/${grouped(total)} images`;
        const parts = [
          { text: "validating", rank: 0 },
          { text: count, rank: 1 },
        ];
        this.#live(epoch, images / total, parts, images === total);
        break;
      }
      case "epoch":
        this.#row(event);
        break;
      case "end":
        this.note(endLine(event, this.#course.validated));
        break;
      case "checkpoint":
        break;
      default:
        event satisfies never;
    }
  }

  note(text: string): void {
    this.#out.write(`${this.#start()}${text}${CLEAR_TO_END}\n`);
    this.#length = 0;
  }

  close(): void {
    if (!this.#hidden) return;
    this.#hidden = false;
    this.#out.write(`${this.#start()}${CLEAR_TO_END}${SHOW_CURSOR}`);
    process.off("exit", this.#restore);
  }

  #step(event: StepEvent): void {
    const { epoch, batch, loss, lr } = event;
    const { name, value } = quality(event);
    const { stepsPerEpoch, imagesPerSecond } = this.#course;
    const recent = this.#recent;
    recent.loss = 0.9 * recent.loss + loss;
    recent.accuracy = 0.9 * recent.accuracy + value;
    recent.weight = 0.9 * recent.weight + 1;
    this.#live(
      epoch,
      batch / stepsPerEpoch,
      [
        { text: `loss ${(recent.loss / recent.weight).toFixed(3)}`, rank: 0 },
        { text: `${name} ${percent(recent.accuracy / recent.weight)}`, rank: 2 },
        { text: `lr ${rate(lr)}`, rank: 4 },
        { text: `${speed(imagesPerSecond)} images/s`, rank: 3 },
        ...this.#course.ranks.map((text, i) => ({ text, rank: 5 + i })),
        { text: `${clock(this.#course.secondsLeft(event))} left`, rank: 1 },
      ],
      batch === stepsPerEpoch,
    );
  }

  /** `3/20 ━━━━━━──── facts`, in the width of the terminal; the bar takes what room there is. */
  #live(epoch: number, share: number, facts: readonly Part[], last: boolean): void {
    const now = performance.now();
    if (!last && now - this.#drawn < FRAME) return;
    this.#drawn = now;
    // the last column stays empty: a full line would wrap on some terminals
    const width = this.#width - 1;
    const head = `epoch ${title(epoch, this.#course.epochs)}`;
    const shown = fitting(facts, width - head.length - MIN_BAR - 2 * GAP);
    const bar = Math.min(MAX_BAR, width - head.length - widthOf(shown) - 2 * GAP);
    const filled = Math.round(bar * share);
    const gap = " ".repeat(GAP);
    const line =
      bar < MIN_BAR
        ? `${head}${gap}${shown[0]!.text}`.slice(0, width)
        : [
            head,
            this.#paint("━".repeat(filled), "bar") + this.#paint("─".repeat(bar - filled), "rest"),
            ...shown.map(({ text }) => text),
          ].join(gap);
    this.#hide();
    this.#out.write(`${this.#start()}${NO_WRAP}${line}${CLEAR_TO_END}${WRAP}`);
    this.#length = bar < MIN_BAR ? line.length : head.length + bar + widthOf(shown) + 2 * GAP;
  }

  #row({ epoch, train, validation, best }: EpochEvent): void {
    const { epochs } = this.#course;
    const trained = quality(train);
    const [first, ...others] = validation ? validated(validation) : [];
    const columns = [
      { name: "epoch", text: title(epoch, epochs), rank: 0 },
      { name: "train loss", text: train.loss.toFixed(4), rank: 2 },
      { name: trained.name, text: percent(trained.value), rank: 4 },
      ...(validation && first
        ? [
            { name: "valid. loss", text: validation.loss.toFixed(4), rank: 3 },
            { name: first[0], text: percent(first[1]), rank: 1 },
          ]
        : []),
      ...others.map(([name, value]) => ({ name, text: percent(value), rank: 7 })),
      { name: "images/s", text: speed(train.images / train.seconds), rank: 6 },
      { name: "time", text: clock(train.seconds), rank: 5 },
      { name: "    ", text: best ? "best" : "", rank: 0 },
    ];
    // columns keep their width from row to row
    const least = { epoch: 2 * String(epochs).length + 1, "top-1": 7, "top-5": 7, mAP: 7, F1: 7, time: 7 } as Record<
      string,
      number
    >;
    const padded = columns.map(({ name, text, rank }) => {
      const width = Math.max(name.length, least[name] ?? 0);
      return { text: text.padStart(width), head: name.padStart(width), rank };
    });
    const shown = fitting(padded, this.#width - 1);
    const header = shown.map(({ head }) => head).join("  ");
    if (header !== this.#header) this.note(this.#paint(header.trimEnd(), "head"));
    this.#header = header;
    const cells = shown.map(({ text }) => this.#paint(text, text === "best" ? "best" : undefined));
    this.note(cells.join("  ").trimEnd());
  }

  /** Goes to where the live line begins. A window that was made narrower has broken it into several, which go. */
  #start(): string {
    const rows = Math.ceil(this.#length / this.#width);
    return rows > 1 ? `\x1b[${rows - 1}A\r${CLEAR_BELOW}` : "\r";
  }

  get #width(): number {
    return this.#out.columns || 80;
  }

  #paint(text: string, colour: keyof typeof COLOURS | undefined): string {
    // the stream knows of NO_COLOR, FORCE_COLOR and the terminal
    return colour && text !== "" && this.#out.hasColors?.() ? `\x1b[${COLOURS[colour]}m${text}\x1b[0m` : text;
  }

  #hide(): void {
    if (this.#hidden) return;
    this.#hidden = true;
    this.#out.write(HIDE_CURSOR);
    process.once("exit", this.#restore);
  }
}
