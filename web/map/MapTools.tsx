import type { Diagram } from "convnets/draw";
import type { RefObject } from "preact";
import { go, type Route, route } from "../state/route.ts";
import { drawing, openEverything, rowOf, select, titleOf } from "../state/stage.ts";
import { t } from "../text/index.ts";
import { bytes, short } from "../ui/format.ts";
import { FormChoice, Legend, ZoomButtons } from "./controls.tsx";
import { mostOf } from "./heat.ts";
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
          <FormChoice diagram={diagram} onChoose={(form) => go({ form: form === "solids" ? undefined : form })} />
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
      <ZoomButtons
        view={view}
        diagram={diagram}
        open={route.value.open.length > 0}
        onOpenAll={openEverything}
        onCloseAll={() => go({ open: [] })}
      />
      {color ? <Scale color={color} diagram={diagram} /> : <Legend diagram={diagram} />}
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
            {titleOf(net)}
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

function Scale({ color, diagram }: { readonly color: NonNullable<Route["color"]>; readonly diagram: Diagram }) {
  const most = mostOf(diagram, color, rowOf);
  return (
    <div class="legend legend-scale">
      <span>{t(color)}</span>
      <span>0</span>
      <i class="ramp" />
      <span>{color === "memory" ? bytes(most) : short(most)}</span>
    </div>
  );
}
