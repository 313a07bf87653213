import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Filters } from "../inspector/WeightsView.tsx";
import { theme } from "../state/preferences.ts";
import { t } from "../text/index.ts";
import { beside, type Live } from "../training/live.ts";
import type { SeenMaps, Snapshot } from "../training/protocol.ts";
import { diverging } from "../ui/colors.ts";
import { grouped } from "../ui/format.ts";
import { inOwnFrame } from "../ui/frames.ts";
import { packed, paintTiles } from "../ui/mosaic.ts";
import { Norms } from "./Norms.tsx";
import { nameOf } from "./Runs.tsx";

/** The moment of a run at a step, or the last one before it. */
const momentAt = ({ moments }: Live, step: number): Snapshot | undefined =>
  moments.findLast((moment) => moment.step <= step && moment.norms);

/** Filters, gradients and feature maps of a run as they change, with a slider back through time. */
export function Moments({ run }: { readonly run: Live }) {
  void run.changed.moments.value;
  const chosen = useSignal<number | undefined>(undefined);
  const { moments } = run;
  const index = Math.min(chosen.value ?? moments.length - 1, moments.length - 1);
  const moment = moments[index];
  const other = beside.value === run ? undefined : beside.value;
  void other?.changed.moments.value;
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
            {norms && <Norms norms={norms} beside={others} name={nameOf(run.info.peek())} color="--train" />}
            {others && other && (
              <Norms norms={others} beside={norms} name={nameOf(other.info.peek())} color="--validation" />
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
    const colors = Uint32Array.from({ length: 256 }, (_, byte) => packed(diverging((byte - 128) / 127, theme.value)));
    const tiles = { count, columns: COLUMNS, width, height, gap: GAP };
    const { current } = canvas;
    inOwnFrame(current!, () =>
      paintTiles(current!, tiles, (map, x, y) => colors[maps.data[(map * height + y) * width + x]!]!),
    );
  }, [maps, theme.value]);
  const label = t("trainMapsOf", { count, layer: maps.layer });
  return (
    <figure>
      <canvas ref={canvas} role="img" aria-label={label} />
      <figcaption class="muted">{label}</figcaption>
    </figure>
  );
}
