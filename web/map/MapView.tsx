import { useComputed, useSignal } from "@preact/signals";
import type { Diagram } from "convnets/draw";
import { useRef } from "preact/hooks";
import { go, route } from "../state/route.ts";
import { drawing, hovered, mapWidth, network, problem, rowOf, select, toggle } from "../state/stage.ts";
import { heatOf } from "./heat.ts";
import { Journey } from "./Journey.tsx";
import { MapCanvas } from "./MapCanvas.tsx";
import { MapTools } from "./MapTools.tsx";
import { nodesOf } from "./nodes.ts";
import type { View } from "./view.ts";

/** Whether the picture has traveled through a map since the page was opened; once is enough. */
let hasTraveled = matchMedia("(prefers-reduced-motion: reduce)").matches;

/** The drawing of the network on the stage. */
export function MapView() {
  const view = useRef<View>(null);
  /** The drawing that the picture travels through. */
  const traveled = useSignal<Diagram | undefined>(undefined);
  const failing = useComputed(() => new Set(nodesOf(drawing.value.value, problem.value?.path).map(({ id }) => id)));
  const diagram = drawing.value.value;
  const { color } = route.value;
  const heat = diagram && color ? heatOf(diagram, color, rowOf) : undefined;
  return (
    <div class={`map${color ? " is-costs" : ""}`}>
      <MapCanvas
        id="map"
        view={view}
        drawing={() => drawing.value.value}
        owner={() => network.peek().value}
        selected={() => route.value.selected}
        hovered={() => hovered.value}
        onSelect={select}
        onToggle={toggle}
        onHover={(id) => {
          hovered.value = id;
        }}
        onWidth={(width) => {
          mapWidth.value = width;
        }}
        onShown={(shown) => {
          if (!hasTraveled && shown.form === "boxes") traveled.value = shown;
          hasTraveled = true;
        }}
        failing={failing.value}
        heat={heat}
      >
        {diagram && traveled.value === diagram && (
          <Journey
            diagram={diagram}
            onEnd={() => {
              traveled.value = undefined;
            }}
          />
        )}
      </MapCanvas>
      <MapTools view={view} onColor={(next) => go({ color: next })} />
    </div>
  );
}
