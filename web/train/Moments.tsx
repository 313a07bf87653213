import { computed, useComputed, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { Filters } from "../inspector/WeightsView.tsx";
import { theme } from "../state/preferences.ts";
import { t } from "../text/index.ts";
import { beside, type Live } from "../training/live.ts";
import type { SeenMaps, Snapshot } from "../training/protocol.ts";
import { diverging } from "../ui/colors.ts";
import { grouped } from "../ui/format.ts";
import { Norms } from "./Norms.tsx";
import { nameOf } from "./Runs.tsx";

/** The moment of a run at a step, or the last one before it. */
const momentAt = ({ moments }: Live, step: number): Snapshot | undefined =>
  moments.findLast((moment) => moment.step <= step && moment.norms);

/** Filters, gradients and feature maps of a run as they change, with a slider back through time. */
export function Moments({ run }: { readonly run: Live }) {
  // most steps change nothing here
  void useComputed(() => run.version.value && run.moments.length).value;
  const chosen = useSignal<number | undefined>(undefined);
  const { moments } = run;
  const index = Math.min(chosen.value ?? moments.length - 1, moments.length - 1);
  const moment = moments[index];
  const other = beside.value?.info.value.id === run.info.value.id ? undefined : beside.value;
  void useMemo(() => computed(() => other?.version.value && other.moments.length), [other]).value;
  const at = moment && t("trainMomentAt", { step: grouped(moment.step) });
  const norms = moment && momentAt(run, moment.step)?.norms;
  const others = moment && other && momentAt(other, moment.step)?.norms;
  return (
    <section class="moments weights" aria-label={t("trainInside")}>
      <header class="row">
        <h3>{t("trainInside")}</h3>
        {at && <span class="muted">{at}</span>}
        {moments.length > 1 && (
          <input
            type="range"
            min={0}
            max={moments.length - 1}
            value={index}
            aria-label={t("trainMomentSlider")}
            aria-valuetext={at}
            onInput={({ currentTarget: { valueAsNumber } }) => {
              chosen.value = valueAsNumber === moments.length - 1 ? undefined : valueAsNumber;
            }}
          />
        )}
      </header>
      {!moment && <p class="muted empty">{t("trainInsideEmpty")}</p>}
      {moment && (
        <div class="moment">
          <div class="moment-norms">
            {norms && <Norms norms={norms} beside={others} name={nameOf(run.info.value)} color="--train" />}
            {others && other && (
              <Norms norms={others} beside={norms} name={nameOf(other.info.value)} color="--validation" />
            )}
            {!norms && <p class="muted empty">{t("trainNormsEmpty")}</p>}
          </div>
          <div>
            <h4>{t("trainFilters")}</h4>
            {moment.filters ? (
              <Filters filters={moment.filters} all={moment.filters.shape[0]} depth={moment.filters.shape[1]} />
            ) : (
              <p class="muted empty">{t("trainNoFilters")}</p>
            )}
          </div>
          <div>
            <h4>{t("trainMaps")}</h4>
            {moment.maps.map((maps) => (
              <Maps key={maps.layer} maps={maps} />
            ))}
          </div>
        </div>
      )}
    </section>
  );
}

const GAP = 1;
const COLUMNS = 8;

/** Maps of a layer side by side, around a neutral middle. */
function Maps({ maps }: { readonly maps: SeenMaps }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [count, height, width] = maps.shape;
  useEffect(() => {
    const element = canvas.current!;
    const columns = Math.min(COLUMNS, count);
    element.width = columns * (width + GAP) - GAP;
    element.height = Math.ceil(count / columns) * (height + GAP) - GAP;
    const context = element.getContext("2d")!;
    for (let map = 0; map < count; map++) {
      const pixels = context.createImageData(width, height);
      for (let i = 0; i < width * height; i++) {
        const value = (maps.data[map * width * height + i]! - 128) / 127;
        pixels.data.set([...diverging(value, theme.value), 255], 4 * i);
      }
      context.putImageData(pixels, (map % columns) * (width + GAP), Math.floor(map / columns) * (height + GAP));
    }
  }, [maps, theme.value]);
  const label = t("trainMapsOf", { count, layer: maps.layer });
  return (
    <figure>
      <canvas ref={canvas} role="img" aria-label={label} />
      <figcaption class="muted">{label}</figcaption>
    </figure>
  );
}
