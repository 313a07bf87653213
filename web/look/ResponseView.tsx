import { X } from "lucide";
import { useEffect, useRef } from "preact/hooks";
import { t } from "../text/index.ts";
import { digits } from "../ui/format.ts";
import { Icon } from "../ui/Icon.tsx";
import { paintPixels } from "./paint.ts";
import { closeResponse, maps, opened, respond, response, task } from "./state.ts";

/** An image that a channel responds to, while it is looked for and after. */
export function ResponseView() {
  const canvas = useRef<HTMLCanvasElement>(null);
  const shown = response.value;
  useEffect(() => {
    if (canvas.current && shown) paintPixels(canvas.current, shown.picture);
  }, [shown]);
  if (!shown) return null;
  const { layer, channel, step, steps, value } = shown;
  const last = maps.value?.layer === layer ? maps.value.shape[0]! - 1 : undefined;
  const isDead = step === steps && value === 0;
  const about = isDead ? "responseDead" : opened.value?.weights === "random" ? "responseRandom" : "responseAbout";
  const isBusy = task.value?.name === "responding";
  return (
    <section class="response" aria-label={t("response")}>
      <header>
        <h2 class="side-title">{t("responseTitle", { channel, layer })}</h2>
        <button type="button" class="quiet" aria-label={t("close")} onClick={closeResponse}>
          <Icon icon={X} size={16} />
        </button>
      </header>
      <canvas ref={canvas} role="img" aria-label={t("responseTitle", { channel, layer })} />
      <p class="response-facts">
        <span>{t("stepOf", { step, steps })}</span>
        <span>
          {t("meanActivation")} <b>{digits(value)}</b>
        </span>
      </p>
      {last !== undefined && (
        <label class="response-channel">
          <span>{t("channel")}</span>
          <input
            type="number"
            min="0"
            max={last}
            value={channel}
            disabled={isBusy}
            onChange={({ currentTarget: { valueAsNumber: next } }) => {
              if (Number.isInteger(next) && next >= 0 && next <= last) respond(layer, next);
            }}
          />
          <span class="muted">/ {last}</span>
        </label>
      )}
      <p class="muted hint">{t(about)}</p>
    </section>
  );
}
