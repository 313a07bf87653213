import { useSignal } from "@preact/signals";
import { Camera as CameraIcon, ImageUp } from "lucide";
import { useEffect, useRef } from "preact/hooks";
import { notice } from "../stage/open.ts";
import { go, route } from "../state/route.ts";
import { type TextKey, t } from "../text/index.ts";
import { Icon } from "../ui/Icon.tsx";
import { Camera } from "./Camera.tsx";
import { className } from "./names.ts";
import { paintOverlay, paintPixels } from "./paint.ts";
import { choosePicture, picture, sample } from "./picture.ts";
import type { OverlayKind } from "./protocol.ts";
import { SAMPLES, type SampleName } from "./samples.ts";
import { camLayer, label, overlay, pixels } from "./state.ts";

const KINDS: readonly (readonly [kind: OverlayKind | undefined, name: TextKey, help: TextKey])[] = [
  [undefined, "overlayNone", "overlayNoneHelp"],
  ["cam", "overlayCam", "overlayCamHelp"],
  ["occlusion", "overlayOcclusion", "overlayOcclusionHelp"],
  ["gradient", "overlayGradient", "overlayGradientHelp"],
];

const canUseCamera = navigator.mediaDevices?.getUserMedia !== undefined;

/** The picture as the network takes it, with what counts in it laid over, and where it comes from. */
export function PictureView() {
  const strength = useSignal(70);
  const isCamera = useSignal(false);
  const shown = picture.value;
  const name = shown.sample ? t(`sample_${shown.sample}`) : shown.name;
  const size = pixels.value;
  return (
    <section class="look-picture" aria-label={t("picture")}>
      <figure class="frame" style={size && { aspectRatio: `${size.width} / ${size.height}` }}>
        <PictureCanvas />
        <OverlayCanvas strength={strength.value} />
      </figure>
      <p class="picture-name">
        <b>{name}</b>
        {size && (
          <span class="muted">
            {size.width} × {size.height}
          </span>
        )}
      </p>
      <div class="sources">
        {(Object.keys(SAMPLES) as SampleName[]).map((one) => (
          <SampleButton key={one} name={one} />
        ))}
        <button
          type="button"
          class="source"
          title={t("pictureFile")}
          aria-label={t("pictureFile")}
          onClick={() => choosePicture((file) => (notice.value = t("notPicture", { name: file })))}
        >
          <Icon icon={ImageUp} />
        </button>
        {canUseCamera && (
          <button
            type="button"
            class="source"
            title={t("camera")}
            aria-label={t("camera")}
            onClick={() => (isCamera.value = true)}
          >
            <Icon icon={CameraIcon} />
          </button>
        )}
      </div>
      <p class="muted hint">{t("pictureHint")}</p>
      {label.value !== undefined && (
        <>
          <h2 class="side-title">{t("whatCounts", { name: className(label.value) })}</h2>
          <div class="segments is-wide" role="group" aria-label={t("overlay")}>
            {KINDS.map(([kind, text, help]) => (
              <button
                key={text}
                type="button"
                aria-pressed={route.value.overlay === kind}
                title={t(help)}
                onClick={() => go({ overlay: kind })}
              >
                {t(text)}
              </button>
            ))}
          </div>
          {route.value.overlay && (
            <>
              <p class="muted hint">
                {t(KINDS.find(([kind]) => kind === route.value.overlay)![2], { layer: camLayer.value ?? "" })}
              </p>
              <label class="strength">
                <span>{t("strength")}</span>
                <input
                  type="range"
                  min="0"
                  max="100"
                  value={strength.value}
                  onInput={({ currentTarget }) => (strength.value = Number(currentTarget.value))}
                />
                <output>{strength.value} %</output>
              </label>
            </>
          )}
        </>
      )}
      {isCamera.value && <Camera onClose={() => (isCamera.value = false)} />}
    </section>
  );
}

function PictureCanvas() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const shown = pixels.value;
  useEffect(() => {
    if (canvas.current && shown) paintPixels(canvas.current, shown);
  }, [shown]);
  return <canvas ref={canvas} class="picture" role="img" aria-label={t("pictureLabel")} />;
}

function OverlayCanvas({ strength }: { readonly strength: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const shown = overlay.value;
  useEffect(() => {
    if (canvas.current && shown) paintOverlay(canvas.current, shown);
  }, [shown]);
  return (
    <canvas
      ref={canvas}
      class={`overlay${shown ? ` is-${shown.kind}` : ""}`}
      role="img"
      aria-label={t("overlay")}
      hidden={!shown}
      style={{ opacity: strength / 100 }}
    />
  );
}

function SampleButton({ name }: { readonly name: SampleName }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = canvas.current!.getContext("2d")!;
    SAMPLES[name](context, canvas.current!.width);
  }, [name]);
  return (
    <button
      type="button"
      class="source"
      title={t(`sample_${name}`)}
      aria-label={t(`sample_${name}`)}
      aria-pressed={picture.value.sample === name}
      onClick={() => (picture.value = sample(name))}
    >
      <canvas ref={canvas} width={88} height={88} aria-hidden="true" />
    </button>
  );
}
