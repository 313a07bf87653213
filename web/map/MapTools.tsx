import { KINDS, type Kind } from "convnets/draw";
import { Maximize, Minus, Plus, Shrink, UnfoldVertical } from "lucide";
import type { RefObject } from "preact";
import { go, type Route, route } from "../state/route.ts";
import { drawing, openEverything, select } from "../state/stage.ts";
import { t } from "../text/index.ts";
import { kindName } from "../text/kinds.ts";
import { Icon } from "../ui/Icon.tsx";
import type { View } from "./view.ts";

interface Props {
  readonly view: RefObject<View | null>;
  readonly onColor: (color: Route["color"]) => void;
}

/** What lies on the map: where one is, how it is drawn, zoom, and what the colors mean. */
export function MapTools({ view, onColor }: Props) {
  const diagram = drawing.value.value;
  if (!diagram) return null;
  const { color } = route.value;
  return (
    <>
      <Breadcrumb />
      <div class="map-options">
        {diagram.solid && (
          <fieldset class="segments">
            <legend class="unseen">{t("form")}</legend>
            {(["solids", "boxes"] as const).map((form) => (
              <button
                key={form}
                type="button"
                aria-pressed={diagram.form === form}
                onClick={() => go({ form: form === "solids" ? undefined : form })}
              >
                {t(form)}
              </button>
            ))}
          </fieldset>
        )}
        <label class="choice">
          <span>{t("colorBy")}</span>
          <select
            aria-label={t("colorBy")}
            value={color ?? "family"}
            onChange={({ currentTarget: { value } }) =>
              onColor(value === "family" ? undefined : (value as NonNullable<Route["color"]>))
            }
          >
            {(["family", "params", "macs", "memory"] as const).map((name) => (
              <option key={name} value={name}>
                {t(name)}
              </option>
            ))}
          </select>
        </label>
      </div>
      <div class="map-zoom">
        {diagram.form === "boxes" && (
          <>
            <button type="button" title={`${t("openAll")} (E)`} aria-label={t("openAll")} onClick={openEverything}>
              <Icon icon={UnfoldVertical} />
            </button>
            <button
              type="button"
              title={`${t("closeAll")} (⇧E)`}
              aria-label={t("closeAll")}
              disabled={route.value.open.length === 0}
              onClick={() => go({ open: [] })}
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
        <button
          type="button"
          title={`${t("fit")} (F)`}
          aria-label={t("fit")}
          onClick={() => view.current?.fit(diagram)}
        >
          <Icon icon={Maximize} />
        </button>
      </div>
      {color ? <Scale color={color} /> : <Legend />}
    </>
  );
}

/** The blocks around what is selected. */
function Breadcrumb() {
  const diagram = drawing.value.value;
  const { selected, net } = route.value;
  const byId = new Map(diagram?.nodes.map((node) => [node.id, node]));
  const around: { id: string; title: string }[] = [];
  let node = selected === undefined ? undefined : byId.get(selected);
  while (node) {
    around.unshift({ id: node.id, title: node.role === "block" ? node.title : `${node.title}` });
    node = node.parent === undefined ? undefined : byId.get(node.parent);
  }
  if (around.length === 0 && selected !== undefined) around.push({ id: selected, title: selected });
  return (
    <nav class="breadcrumb" aria-label={t("layer")}>
      <ol>
        <li>
          <button type="button" onClick={() => select(undefined)}>
            {net.replace(/^file:/, "")}
          </button>
        </li>
        {around.map(({ id, title }, i) => (
          <li key={id}>
            <button
              type="button"
              aria-current={i === around.length - 1 ? "true" : undefined}
              onClick={() => select(id)}
            >
              {title}
            </button>
          </li>
        ))}
      </ol>
    </nav>
  );
}

function Legend() {
  const diagram = drawing.value.value;
  const seen = new Set(
    diagram?.nodes.flatMap(({ kind, folded, form }) =>
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

function Scale({ color }: { readonly color: NonNullable<Route["color"]> }) {
  return (
    <div class="legend legend-scale">
      <span>0</span>
      <i class="ramp" />
      <span>{t(color)}</span>
    </div>
  );
}
