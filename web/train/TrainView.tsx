import "uplot/dist/uPlot.min.css";
import "../style/train.css";
import { useEffect } from "preact/hooks";
import { dropTaker } from "../stage/open.ts";
import { route } from "../state/route.ts";
import { t } from "../text/index.ts";
import { live, openProblem } from "../training/live.ts";
import { takeDropped } from "./draft.ts";
import { Preview } from "./Preview.tsx";
import { Runs } from "./Runs.tsx";
import { RunView } from "./RunView.tsx";
import { Setup } from "./Setup.tsx";

/** The next training at the side, and the run that is shown, or the images that there are to learn. */
export function TrainView() {
  useEffect(() => {
    dropTaker.value = { hint: "trainDropHint", take: takeDropped };
    return () => {
      dropTaker.value = undefined;
    };
  }, []);
  const run = live.value;
  const isRun = route.value.run !== undefined;
  return (
    <div class={`train-panel${isRun ? " has-run" : ""}`}>
      <aside class="train-setup">
        <Setup />
        <Runs />
      </aside>
      {/* what scrolls has to be reachable by keyboard */}
      <div class="train-main" tabIndex={0} role="region" aria-label={t("train")}>
        {openProblem.value && (
          <p class="train-problem" role="alert">
            {openProblem.value}
          </p>
        )}
        {run && <RunView key={run.info.peek().id} run={run} />}
        {!isRun && <Preview />}
      </div>
    </div>
  );
}
