/** What lies on a map, wherever it is shown: its form, zoom, and what the colors mean. */
import { type Diagram, KINDS, type Kind } from "convnets/draw";
import { Maximize, Minus, Plus, Shrink, UnfoldVertical } from "lucide";
import type { RefObject } from "preact";
import { kindName } from "../text/kinds.ts";
import { t } from "../text/map.ts";
import { Icon } from "../ui/Icon.tsx";
import type { View } from "./view.ts";

interface FormProps {
  readonly diagram: Diagram;
  readonly onChoose: (form: Diagram["form"]) => void;
}

/** Solids or boxes, for networks that can be drawn as either. */
export function FormChoice({ diagram, onChoose }: FormProps) {
  return (
    <fieldset class="segments">
      <legend class="unseen">{t("form")}</legend>
      {(["solids", "boxes"] as const).map((form) => (
        <button key={form} type="button" aria-pressed={diagram.form === form} onClick={() => onChoose(form)}>
          {t(form)}
        </button>
      ))}
    </fieldset>
  );
}

interface ZoomProps {
  readonly view: RefObject<View | null>;
  readonly diagram: Diagram;
  /** Whether a block is open. */
  readonly open: boolean;
  readonly onOpenAll: () => void;
  readonly onCloseAll: () => void;
}

export function ZoomButtons({ view, diagram, open, onOpenAll, onCloseAll }: ZoomProps) {
  return (
    <div class="map-zoom">
      {diagram.form === "boxes" && (
        <>
          <button type="button" title={`${t("openAll")} (E)`} aria-label={t("openAll")} onClick={onOpenAll}>
            <Icon icon={UnfoldVertical} />
          </button>
          <button
            type="button"
            title={`${t("closeAll")} (⇧E)`}
            aria-label={t("closeAll")}
            disabled={!open}
            onClick={onCloseAll}
          >
            <Icon icon={Shrink} />
          </button>
        </>
      )}
      <button
        type="button"
        title={`${t("zoomOut")} (−)`}
        aria-label={t("zoomOut")}
        onClick={() => view.current?.zoomBy(1 / 1.4)}
      >
        <Icon icon={Minus} />
      </button>
      <button
        type="button"
        title={`${t("zoomIn")} (+)`}
        aria-label={t("zoomIn")}
        onClick={() => view.current?.zoomBy(1.4)}
      >
        <Icon icon={Plus} />
      </button>
      <button type="button" title={`${t("fit")} (F)`} aria-label={t("fit")} onClick={() => view.current?.fit(diagram)}>
        <Icon icon={Maximize} />
      </button>
    </div>
  );
}

/** The families of layers that are on the map, with their colors. */
export function Legend({ diagram }: { readonly diagram: Diagram }) {
  const seen = new Set(
    diagram.nodes.flatMap(({ kind, folded, form }) =>
      form === "frame" ? [] : [kind, ...folded.map((face) => face.kind)],
    ),
  );
  const kinds = (Object.keys(KINDS) as Kind[]).filter((kind) => seen.has(kind));
  return (
    <ul class="legend" aria-label={t("legend")}>
      {kinds.map((kind) => (
        <li key={kind}>
          <i class={`swatch kind-${kind}`} />
          {kindName(kind)}
        </li>
      ))}
    </ul>
  );
}
