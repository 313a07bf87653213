import { useComputed } from "@preact/signals";
import type { RefObject } from "preact";
import { MapCanvas } from "../map/MapCanvas.tsx";
import type { View } from "../map/view.ts";
import { idFromB, idInB, marksOf, otherDrawing, otherNetwork, type Side } from "../state/compare.ts";
import { route } from "../state/route.ts";
import { drawing, hovered, mapWidth, network, select, toggle } from "../state/stage.ts";
import { t } from "../text/index.ts";
import { bytes, short } from "../ui/format.ts";

interface Props {
  readonly side: Side;
  readonly name: string;
  readonly view: RefObject<View | null>;
}

/** One of two maps: what is selected or opened in it is so in both. */
export function Pane({ side, name, view }: Props) {
  const isA = side === "a";
  const pending = isA ? network : otherNetwork;
  const drawn = isA ? drawing : otherDrawing;
  /** Ids as the page has them, and as this map has them. */
  const outward = (id: string | undefined) => (id === undefined || isA ? id : idFromB(id));
  const inward = (id: string | undefined) => (isA ? id : idInB(id));
  const diagram = drawn.value.value;
  const marks = useComputed(() => marksOf(side));
  const totals = pending.value.value?.summary.totals;
  const error = pending.value.error ?? drawn.value.error;
  return (
    <section class="pane" aria-label={name}>
      <header>
        <h2>{name}</h2>
        {totals && (
          <p>
            {short(totals.params)} {t("paramsShort")} · {short(totals.macs)} MACs · {bytes(totals.activationBytes)}
          </p>
        )}
      </header>
      <div class="map">
        <MapCanvas
          id={isA ? "map" : "map-b"}
          name={name}
          view={view}
          drawing={() => drawn.value.value}
          owner={() => pending.peek().value}
          selected={() => inward(route.value.selected)}
          hovered={() => inward(hovered.value)}
          onSelect={(id) => select(outward(id))}
          onToggle={(id) => toggle(outward(id)!)}
          onHover={(id) => {
            hovered.value = outward(id);
          }}
          onWidth={(width) => {
            if (isA) mapWidth.value = width;
          }}
          marks={marks.value}
          prefix={isA ? "" : "b_"}
        />
        {error && (
          <div class="state" role="alert">
            <h2>{t("failed", { name })}</h2>
            <p>{error}</p>
          </div>
        )}
        {!error && !diagram && (
          <p class="state" role="status">
            {t("loading", { name })}
          </p>
        )}
      </div>
    </section>
  );
}
