import "../style/compare.css";
import { ArrowLeftRight, Maximize, Minus, Plus, X } from "lucide";
import { useEffect, useRef } from "preact/hooks";
import { Dock } from "../dock/Dock.tsx";
import type { View } from "../map/view.ts";
import { compareWith, counts, otherDrawing, swap } from "../state/compare.ts";
import { route } from "../state/route.ts";
import { drawing, labelOf } from "../state/stage.ts";
import { t } from "../text/index.ts";
import { Icon } from "../ui/Icon.tsx";
import { LayerPairs } from "./LayerPairs.tsx";
import { Pane } from "./Pane.tsx";
import { Totals } from "./Totals.tsx";

export const COMPARE_TABS = [
  { id: "table", name: "layersCompared", view: LayerPairs },
  { id: "costs", name: "totals", view: Totals },
] as const;

/** Two networks side by side: their maps in step, and a table of both. */
export default function Compare() {
  const { net, variant, other, otherVariant } = route.value;
  const a = useRef<View>(null);
  const b = useRef<View>(null);
  useEffect(() => {
    a.current!.twin = b.current!;
    b.current!.twin = a.current!;
  }, []);
  const both = (use: (view: View, diagram: typeof drawing) => void) => {
    if (a.current) use(a.current, drawing);
    if (b.current) use(b.current, otherDrawing);
  };
  const fit = () =>
    both((view, { value: { value } }) => {
      if (value) view.fit(value);
    });
  const { same, changed, onlyA, onlyB } = counts.value;
  return (
    <main class="compare">
      <div class="panes">
        <Pane side="a" name={labelOf(net, variant)} view={a} />
        <Pane side="b" name={labelOf(other ?? "", otherVariant)} view={b} />
        <div class="map-zoom">
          <button type="button" title={t("swap")} aria-label={t("swap")} onClick={swap}>
            <Icon icon={ArrowLeftRight} />
          </button>
          <button type="button" aria-label={t("zoomOut")} onClick={() => a.current?.zoomBy(1 / 1.4)}>
            <Icon icon={Minus} />
          </button>
          <button type="button" aria-label={t("zoomIn")} onClick={() => a.current?.zoomBy(1.4)}>
            <Icon icon={Plus} />
          </button>
          <button type="button" aria-label={t("fit")} onClick={fit}>
            <Icon icon={Maximize} />
          </button>
          <button
            type="button"
            title={t("endCompare")}
            aria-label={t("endCompare")}
            onClick={() => compareWith(undefined)}
          >
            <Icon icon={X} />
          </button>
        </div>
        <ul class="legend compare-legend" aria-label={t("legend")}>
          <li class="is-shared">{t("inBoth", { count: same })}</li>
          <li>
            <i class="sign">≠</i>
            {t("otherSettings", { count: changed })}
          </li>
          <li>
            <i class="sign">+</i>
            {t("onlyHere", { a: onlyA, b: onlyB })}
          </li>
        </ul>
      </div>
      <Dock tabs={COMPARE_TABS} />
    </main>
  );
}
