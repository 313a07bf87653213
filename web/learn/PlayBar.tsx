import { Play, RotateCcw, Square } from "lucide";
import { Icon } from "../ui/Icon.tsx";
import type { LabResult, Question } from "./lab/protocol.ts";
import { failureOf, isRunning, resultOf, start, stop } from "./lab/state.ts";
import { say, word } from "./words.ts";

/** How far an experiment is, 0 … 1, and in words. */
function progressOf(result: LabResult): readonly [number, string] {
  if (result.kind === "sparse")
    return [
      result.timings.length / 5,
      say(`${result.timings.length} of 5 ways`, `5 种方式中的第 ${result.timings.length} 种`),
    ];
  const seconds = `${result.seconds.toFixed(1)} s`;
  if (result.kind === "auxiliary") {
    const steps = result.with.steps.length;
    return [
      steps / result.total,
      say(`step ${steps} of ${result.total}, ${seconds}`, `第 ${steps} / ${result.total} 步，${seconds}`),
    ];
  }
  const steps = result.courses.map(([a, b]) => Math.max(a.steps.length, b.steps.length));
  const [done, all] = [steps.reduce((sum, one) => sum + one, 0), result.total * steps.length];
  return [done / all, say(`step ${done} of ${all}, ${seconds}`, `第 ${done} / ${all} 步，${seconds}`)];
}

/** Starts and stops an experiment that trains or measures, with a bar in between. */
export function PlayBar({ question }: { readonly question: Question }) {
  const running = isRunning(question);
  const result = resultOf(question);
  const failure = failureOf(question);
  const [share, told] = result ? progressOf(result) : [0, running ? word("starting") : ""];
  const label = running ? word("stop") : word(result ? "again" : "run");
  return (
    <div class="play">
      <button
        type="button"
        class={`button${running || result ? "" : " is-main"}`}
        onClick={() => (running ? stop() : start(question))}
      >
        <Icon icon={running ? Square : result ? RotateCcw : Play} size={15} />
        {label}
      </button>
      <span class="play-bar" role="progressbar" aria-label={label} aria-valuenow={Math.round(100 * share)}>
        <i style={`--done:${share}`} />
      </span>
      <span class="play-text">{told}</span>
      {failure && <p role="alert">{failure}</p>}
    </div>
  );
}
