import { engine } from "../engine/client.ts";
import { t } from "../text/index.ts";

const cores = navigator.hardwareConcurrency || 1;

/** The engine that computes, or the one that would. */
function engineLine(): string {
  const { value } = engine;
  if (value === "loading") return t("engineLoading");
  if (value?.device === "webgpu") return value.gpu ? t("onGpu", { gpu: value.gpu }) : "WebGPU";
  if (value && value.threads > 1) return t("onThreads", { threads: value.threads });
  if (value && crossOriginIsolated) return t("onOneThread");
  return crossOriginIsolated ? t("isolated", { threads: cores }) : t("notIsolated");
}

/** Where things are computed, and with what. */
export function Foot() {
  return (
    <footer class="foot">
      <span>{t("engineLine")}</span>
      <span>{engineLine()}</span>
    </footer>
  );
}
