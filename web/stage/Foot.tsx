import { t } from "../text/index.ts";

const cores = navigator.hardwareConcurrency || 1;

/** Where things are computed, and with what. */
export function Foot() {
  return (
    <footer class="foot">
      <span>{t("engineLine")}</span>
      <span>{crossOriginIsolated ? `${t("isolated")}: ${cores}` : t("notIsolated")}</span>
    </footer>
  );
}
