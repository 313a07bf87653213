/** Reports of made-up trainings. */
import sharp from "sharp";
import { draw } from "../../src/draw/index.ts";
import { createModel } from "../../src/models/index.ts";
import type { ReportData } from "../../src/report/index.ts";
import { type Course, course, evaluation } from "./made-up.ts";

const PIXEL = `data:image/png;base64,${(
  await sharp({ create: { width: 8, height: 8, channels: 3, background: "#c63" } })
    .png()
    .toBuffer()
).toString("base64")}`;

export interface MadeUp extends Course {
  /** A text that stands wherever a text may stand. */
  readonly text?: string;
}

export function dataOf({ text = "", ...options }: MadeUp = {}): ReportData {
  const { epochs = 3, classes = 10, validation = true } = options;
  const events = [...course(options)];
  const evaluated = validation && !options.stopAfter ? evaluation(epochs - 1, classes) : undefined;
  return {
    title: `nin on shapes${text}`,
    state: options.stopAfter ? "stopped" : "finished",
    time: "2026-01-02T03:04:05.000Z",
    config: { model: `nin${text}`, epochs, optimizer: { name: "sgd", momentum: 0.9 }, [`x${text}`]: [text] },
    environment: { node: `v20${text}` },
    classes: Array.from({ length: classes }, (_, k) => `class ${k}${text}`),
    steps: events.filter((event) => event.type === "step"),
    epochs: events.filter((event) => event.type === "epoch"),
    ...(evaluated && { evaluation: { ...evaluated, epoch: epochs - 1 } }),
    pictures: (evaluated?.worst ?? []).map((mistake) => ({ mistake, url: PIXEL, small: true })),
    summary: `Layer${text}`,
    drawing: draw(createModel("nin"), { input: [1, 3, 32, 32], title: `nin${text}` }),
    notes: text === "" ? [] : [text],
  };
}
