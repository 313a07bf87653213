import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { type Output, terminalView, type ViewOptions } from "../../src/cli/progress.ts";
import type { TrainEvent } from "../../src/train/index.ts";
import { type Course, course } from "./made-up.ts";

/** Control sequences, and single characters. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal is steered by them
const TOKENS = /\x1b\[[?\d;]*[A-Za-z]|./gsu;

/** A terminal: what is written, and what a person sees of it. Lines that are too long wrap, as on a real one. */
class Screen implements Output {
  readonly isTTY: boolean;
  /** What the program is told of the width, and what it is. */
  columns: number;
  #width: number;
  written = "";
  readonly lines: string[] = [""];
  cursorShown = true;
  wrapped = 0;
  #row = 0;
  #column = 0;
  /** How many rows above belong to the line with the cursor. */
  #broken = 0;
  #wraps = true;
  readonly #colours: boolean;

  constructor({ isTTY = true, columns = 80, colours = false } = {}) {
    this.isTTY = isTTY;
    this.columns = columns;
    this.#width = columns;
    this.#colours = colours;
  }

  hasColors(): boolean {
    return this.#colours;
  }

  write(data: string | Uint8Array): boolean {
    const text = String(data);
    this.written += text;
    for (const [token] of text.matchAll(TOKENS)) this.#take(token);
    return true;
  }

  #take(token: string): void {
    const up = /^\[(\d+)A$/.exec(token.slice(1));
    if (token === "\r") this.#column = 0;
    else if (token === "\n") this.#newLine();
    else if (token === "\x1b[K") this.#line = this.#line.slice(0, this.#column);
    else if (token === "\x1b[J") {
      this.#line = this.#line.slice(0, this.#column);
      this.lines.length = this.#row + 1;
    } else if (up) this.#row -= Number(up[1]);
    else if (token === "\x1b[?7l" || token === "\x1b[?7h") this.#wraps = token.endsWith("h");
    else if (token === "\x1b[?25l" || token === "\x1b[?25h") this.cursorShown = token.endsWith("h");
    else if (token < " ") {
      const known = this.#colours && token.startsWith("\x1b[") && token.endsWith("m");
      if (!known) throw new Error(`the terminal does not know ${JSON.stringify(token)}`);
    } else {
      if (this.#column === this.#width && !this.#wraps) this.#column--;
      if (this.#column === this.#width) {
        this.wrapped++;
        this.#newLine();
      }
      this.#line = this.#line.slice(0, this.#column) + token + this.#line.slice(this.#column + 1);
      this.#column++;
    }
  }

  /** Breaks the line with the cursor anew, as tmux and most terminals do when their window changes. */
  resize(width: number): void {
    this.#width = width;
    const whole = this.lines.splice(this.#row - this.#broken).join("");
    const rows = Math.max(1, Math.ceil(whole.length / width));
    for (let i = 0; i < rows; i++) this.lines.push(whole.slice(i * width, (i + 1) * width));
    this.#row = this.lines.length - 1;
    this.#broken = rows - 1;
    this.#column = this.#line.length;
  }

  get #line(): string {
    return this.lines[this.#row]!;
  }

  set #line(text: string) {
    this.lines[this.#row] = text;
    this.#broken = 0;
  }

  #newLine(): void {
    this.#row++;
    this.lines.splice(this.#row, 0, "");
    this.#column = 0;
    this.#broken = 0;
  }
}

/** Time passes between events, so that each is drawn. */
function slowly(): void {
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => {
    now += 1000;
    return now;
  });
}
afterEach(() => {
  vi.restoreAllMocks();
});

function show(screen: Screen, events: Iterable<TrainEvent>, options: ViewOptions = {}): string[] {
  const view = terminalView(screen, options);
  for (const event of events) view.show(event);
  view.close();
  return screen.lines;
}

describe("on a terminal", () => {
  test("a row per epoch stays, the live line goes, and the cursor is back", () => {
    const screen = new Screen();
    expect(show(screen, course())).toEqual(
      [
        "Training 1,234,567 parameters for 3 epochs of 5 steps on made up.",
        "epoch  train loss  accuracy  valid. loss    top-1  images/s     time",
        "  1/3      1.1897    62.5 %       1.3000   60.0 %       256     0:01  best",
        "  2/3      0.7525    85.9 %       0.8000   70.0 %       256     0:01  best",
        "  3/3      0.3523    95.3 %       0.6333   80.0 %       256     0:01  best",
        "Finished after 3 epochs; best top-1 80.0 % in epoch 3.",
        "",
      ].map((line) => expect.stringMatching(new RegExp(`^${line.replaceAll(/[.+]/g, "\\$&")}$`))),
    );
    expect(screen.cursorShown).toBe(true);
  });

  test("the live line tells epoch, loss, accuracy, rate, speed and the time that is left", () => {
    const screen = new Screen({ columns: 110 });
    const view = terminalView(screen);
    for (const event of [...course({ stepsPerEpoch: 40 })].slice(0, 2)) view.show(event);
    expect(screen.cursorShown).toBe(false);
    expect(screen.lines.at(-1)).toMatch(
      /^epoch 1\/3 {2}━─+ {2}loss \d\.\d{3} {2}accuracy \d+\.\d % {2}lr 0\.1 {2}256 images\/s {2}0:30 left$/,
    );
    view.note("a picture is broken");
    expect(screen.lines.slice(-2)).toEqual(["a picture is broken", ""]);
    view.close();
  });

  test("the time that is left counts evaluations", () => {
    const events = [...course({ stepsPerEpoch: 100 })];
    const screen = new Screen();
    const view = terminalView(screen);
    const second = events.findIndex((event) => event.type === "step" && event.epoch === 1 && event.batch === 100);
    for (const event of events.slice(0, second + 1)) view.show(event);
    // 100 steps of 0.25 s, and this epoch's and the last one's evaluation of 1.5 s
    expect(screen.lines.at(-1)).toMatch(/ 0:28 left$/);
    view.close();
  });

  test("no line wraps at any width and any size of numbers, and none is broken when the window changes", () => {
    const drawn = fc.record({
      columns: fc.integer({ min: 40, max: 200 }),
      later: fc.integer({ min: 40, max: 200 }),
      // events until the program hears of it; rows of the table are not drawn in that time
      delay: fc.integer({ min: 0, max: 3 }),
      epochs: fc.constantFrom(1, 3, 13),
      stepsPerEpoch: fc.constantFrom(11, 17),
      classes: fc.constantFrom(2, 10, 100),
      validation: fc.boolean(),
      colours: fc.boolean(),
    });
    slowly();
    fc.assert(
      fc.property(drawn, ({ columns, later, delay, colours, ...rest }) => {
        const screen = new Screen({ columns, colours });
        const view = terminalView(screen);
        const [start, ...events] = course(rest);
        view.show(start!); // a sentence, which may wrap
        const before = screen.wrapped;
        for (const [i, event] of events.entries()) {
          if (i === Math.floor(events.length / 2)) screen.resize(later);
          if (i === Math.floor(events.length / 2) + delay) screen.columns = later;
          if (event.type === "end") break;
          view.show(event);
        }
        view.close();
        expect(screen.wrapped).toBe(before);
        expect(screen.lines.filter((line) => /[━─]/.test(line))).toEqual([]);
        expect(screen.lines.join("\n")).toMatch(new RegExp(`^ *${rest.epochs}/${rest.epochs} `, "m"));
        expect(screen.cursorShown).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("colours only where the stream has them", () => {
    const [plain, coloured] = [new Screen(), new Screen({ colours: true })];
    show(plain, course());
    show(coloured, course());
    expect(plain.written).not.toMatch(/\[\d+m/);
    expect(coloured.written).toContain("\x1b[32mbest\x1b[0m");
  });
});

describe("in a pipe", () => {
  const piped = (options: Course) => {
    const screen = new Screen({ isTTY: false, columns: 9999 });
    const lines = show(screen, course(options));
    for (const control of ["\r", "\x1b"]) expect(screen.written).not.toContain(control);
    return lines;
  };

  test("a line for each tenth of an epoch, whatever its length", () => {
    for (const stepsPerEpoch of [1, 7, 10, 95, 1000]) {
      const lines = piped({ epochs: 2, stepsPerEpoch }).filter((line) => line.includes("  step "));
      expect(lines).toHaveLength(2 * Math.min(10, stepsPerEpoch));
      expect(lines.at(-1)).toContain(`epoch 2/2  step ${stepsPerEpoch}/${stepsPerEpoch}  loss `);
    }
  });

  test("a line comes every half a minute, however long an epoch is", () => {
    // 0.25 seconds a step: a tenth takes 75
    const lines = piped({ epochs: 1, stepsPerEpoch: 3000 }).filter((line) => line.includes("  step "));
    const steps = lines.map((line) => Number(/step +(\d+)\/3000/.exec(line)![1]));
    expect(steps.slice(0, 6)).toEqual([120, 240, 300, 420, 540, 600]);
    expect(steps.at(-1)).toBe(3000);
  });

  test("its losses are means over the steps since the line before", () => {
    const events = [...course({ epochs: 1, stepsPerEpoch: 30 })].filter((event) => event.type === "step");
    const lines = piped({ epochs: 1, stepsPerEpoch: 30 }).filter((line) => line.includes("  step "));
    const means = lines.map((_, i) => events.slice(3 * i, 3 * i + 3).reduce((sum, { loss }) => sum + loss / 3, 0));
    expect(lines.map((line) => /loss (\S+)/.exec(line)![1])).toEqual(means.map((mean) => mean.toFixed(4)));
  });

  test("a line per epoch, and how it ended", () => {
    const lines = piped({ classes: 100 });
    expect(lines).toContainEqual(
      expect.stringMatching(
        /^epoch 3\/3 {2}loss \S+ {2}accuracy \S+ % {2}validation loss 0\.6333 {2}top-1 80\.0 % {2}top-5 95\.0 % {2}256 images\/s {2}0:01 {2}best$/,
      ),
    );
    expect(lines.at(-2)).toBe("Finished after 3 epochs; best top-1 80.0 % in epoch 3.");
    expect(piped({ stopAfter: 7 }).at(-2)).toBe("Stopped after 1 epoch.");
    expect(piped({ from: 7 })[0]).toMatch(/, going on after step 7\.$/);
  });
});

test("JSON lines are the events", () => {
  const screen = new Screen({ isTTY: true, columns: 9999 });
  show(screen, course({ validation: false }), { json: true });
  const events = screen.written
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(events.map(({ type }) => type).filter((type) => type !== "step")).toEqual([
    ...["start", "epoch", "epoch", "epoch", "end"],
  ]);
  expect(events[1]).toEqual([...course()][1]);
});

test("quiet is quiet", () => {
  const screen = new Screen();
  show(screen, course(), { quiet: true });
  expect(screen.written).toBe("");
});
