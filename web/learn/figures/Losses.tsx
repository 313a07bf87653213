/** Losses of two trainings over their steps. */
import "uplot/dist/uPlot.min.css";
import "../../style/train.css";
import { Chart } from "../../train/Chart.tsx";
import type { Course } from "../lab/protocol.ts";
import { say } from "../words.ts";

interface Props {
  readonly title: string;
  readonly total: number;
  /** Loss above which lines leave the chart. */
  readonly most: number;
  /** Loss of a network that guesses. */
  readonly guess: number;
  readonly lines: readonly {
    readonly course: Course;
    readonly name: string;
    readonly color: string;
    readonly dash?: boolean;
  }[];
}

export function Losses({ title, total, most, guess, lines }: Props) {
  return (
    <Chart
      title={title}
      end={total}
      most={most}
      fixed
      format={(value) => value.toFixed(2)}
      lines={[
        {
          name: say("guessing", "随机猜测"),
          color: "--muted",
          x: [0, total],
          y: [guess, guess],
          width: 1,
          faint: true,
        },
        ...lines.map(({ course: { steps, loss }, name, color, dash }) => {
          const finite = loss.findIndex((value) => !Number.isFinite(value));
          const count = finite < 0 ? loss.length : finite;
          return {
            ...{ name, color, x: steps.slice(0, count), y: smooth(loss.slice(0, count)) },
            ...(dash && { dash: [5, 4] }),
          };
        }),
      ]}
    />
  );
}

/** The mean of the last few steps at each step, so that lines can be told apart. */
export function smooth(loss: readonly number[]): number[] {
  return loss.map((_, i) => {
    const last = loss.slice(Math.max(0, i - 4), i + 1);
    return last.reduce((sum, value) => sum + value, 0) / last.length;
  });
}
