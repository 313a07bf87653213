import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { theme } from "../state/preferences.ts";
import { rowOf } from "../state/stage.ts";
import { t } from "../text/index.ts";
import { colorScale } from "../ui/colors.ts";
import { digits, grouped, shape } from "../ui/format.ts";
import { paintMap } from "./paint.ts";
import type { Maps } from "./protocol.ts";
import { asked, maps, respond, shownLayer } from "./state.ts";

/** Channels that are shown at first, and with each click on more. */
const FIRST = 48;
const MORE = 96;

interface Over {
  readonly channel: number;
  readonly y: number;
  readonly x: number;
  readonly value: number;
}

/** The feature maps of the layer that is selected. */
export function MapsView() {
  const shown = maps.value;
  const layer = shownLayer.value;
  if (!shown || layer === undefined)
    return (
      <section class="maps" aria-label={t("featureMaps")}>
        <p class="muted nothing-yet">{t("mapsPending")}</p>
      </section>
    );
  return <LayerMaps key={`${shown.layer} ${shown.shape}`} shown={shown} />;
}

function LayerMaps({ shown }: { readonly shown: Maps }) {
  const { layer, shape: dims, data } = shown;
  const isOwn = useSignal(false);
  const count = useSignal(FIRST);
  const over = useSignal<Over | undefined>(undefined);
  const scale = useMemo(() => colorScale(data, { theme: theme.value }), [data, theme.value]);
  const isVector = dims.length < 3;
  const [C = 0, h = 1, w = 1] = isVector ? [1, ...sidesOf(data.length)] : dims;
  const channels = Math.min(C, count.value);
  const row = rowOf(layer);
  return (
    <section class="maps" aria-label={t("featureMaps")}>
      <header class="maps-head">
        <div>
          <h2>{layer}</h2>
          <p class="muted">
            {row && `${row.type} · `}
            {isVector
              ? t("vectorOf", { count: grouped(data.length) })
              : t("mapsOf", { count: grouped(C), size: shape([h, w]) })}
          </p>
        </div>
        {!isVector && (
          <label class="check">
            <input type="checkbox" checked={isOwn.value} onChange={() => (isOwn.value = !isOwn.value)} />
            {t("ownScale")}
          </label>
        )}
        <div class={`scale${scale.signed ? " is-signed" : ""}`} role="img" aria-label={t("scaleLabel")}>
          <span>{isOwn.value ? t("least") : scale.signed ? digits(-scale.most) : "0"}</span>
          <i />
          <span>{isOwn.value ? t("most") : digits(scale.most)}</span>
        </div>
        <Under over={over} isVector={isVector} />
      </header>
      <div class={`grid${isVector ? " is-vector" : ""}`} onPointerLeave={() => (over.value = undefined)}>
        {isVector ? (
          <VectorMap shown={shown} sides={[h, w]} scale={scale} onOver={(one) => (over.value = one)} />
        ) : (
          Array.from({ length: channels }, (_, channel) => (
            <ChannelMap
              key={channel}
              shown={shown}
              channel={channel}
              scale={isOwn.value ? undefined : scale}
              onOver={(one) => (over.value = one)}
            />
          ))
        )}
      </div>
      {channels < C && (
        <button type="button" class="button more" onClick={() => (count.value += MORE)}>
          {t("moreMaps", { count: Math.min(MORE, C - channels), left: grouped(C - channels) })}
        </button>
      )}
    </section>
  );
}

/** The number under the pointer. */
function Under({ over, isVector }: { readonly over: Signal<Over | undefined>; readonly isVector: boolean }) {
  const at = over.value;
  if (!at) return <p class="under muted">{t("pointHint")}</p>;
  const { channel, y, x, value } = at;
  return (
    <p class="under">
      {isVector ? t("unitAt", { unit: channel }) : t("pixelAt", { channel, y, x })} <b>{digits(value)}</b>
    </p>
  );
}

/** Rows and columns for a vector: wide, as the panel is. */
function sidesOf(length: number): [h: number, w: number] {
  const w = Math.min(length, Math.ceil(Math.sqrt(length * 2.5)));
  return [Math.ceil(length / w), w];
}

interface MapProps {
  readonly shown: Maps;
  readonly scale: ReturnType<typeof colorScale> | undefined;
  readonly onOver: (over: Over) => void;
}

/** The number under the pointer of a canvas with one pixel for each. */
function pixelOf(event: PointerEvent | MouseEvent, [h, w]: readonly number[]): [y: number, x: number] {
  const { left, top, width, height } = (event.currentTarget as Element).getBoundingClientRect();
  const along = (part: number, size: number) => Math.max(0, Math.min(size - 1, Math.floor(part * size)));
  return [along((event.clientY - top) / height, h!), along((event.clientX - left) / width, w!)];
}

function ChannelMap({ shown, channel, scale, onOver }: MapProps & { readonly channel: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { layer, shape: dims, data } = shown;
  const [, h = 1, w = 1] = dims;
  const colors = theme.value;
  useEffect(() => {
    const own = data.subarray(channel * h * w, (channel + 1) * h * w);
    paintMap(canvas.current!, own, [h, w], scale ?? colorScale(own, { theme: colors }));
  }, [data, channel, h, w, scale, colors]);
  const isAsked = asked.value === `${layer} ${channel}`;
  return (
    <button
      type="button"
      class="channel"
      aria-pressed={isAsked}
      aria-label={t("channelLabel", { channel })}
      onClick={() => respond(layer, channel)}
      onPointerMove={(event) => {
        const [y, x] = pixelOf(event, [h, w]);
        onOver({ channel, y, x, value: data[(channel * h + y) * w + x]! });
      }}
    >
      <canvas ref={canvas} style={{ aspectRatio: `${w} / ${h}` }} />
      <span>{channel}</span>
    </button>
  );
}

function VectorMap({ shown, sides, scale, onOver }: MapProps & { readonly sides: readonly [number, number] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { layer, data } = shown;
  const [h, w] = sides;
  useEffect(() => {
    const filled = new Float32Array(h * w);
    filled.set(data);
    paintMap(canvas.current!, filled, [h, w], scale ?? colorScale(data));
  }, [data, h, w, scale]);
  const unitAt = (event: PointerEvent | MouseEvent) => {
    const [y, x] = pixelOf(event, [h, w]);
    return { unit: y * w + x, y, x };
  };
  return (
    <canvas
      ref={canvas}
      role="img"
      aria-label={t("vectorOf", { count: data.length })}
      style={{ aspectRatio: `${w} / ${h}` }}
      onClick={(event) => {
        const { unit } = unitAt(event);
        if (unit < data.length) respond(layer, unit);
      }}
      onPointerMove={(event) => {
        const { unit, y, x } = unitAt(event);
        if (unit < data.length) onOver({ channel: unit, y, x, value: data[unit]! });
      }}
    />
  );
}
