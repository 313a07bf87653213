import { useSignal } from "@preact/signals";
import { Search as SearchIcon } from "lucide";
import { kindOf } from "../dock/kinds.ts";
import { go } from "../state/route.ts";
import { families, reveal, rows } from "../state/stage.ts";
import { t } from "../text/index.ts";
import { Dialog } from "../ui/Dialog.tsx";
import { grouped, perSample, shape } from "../ui/format.ts";
import { Icon } from "../ui/Icon.tsx";
import { dialog } from "./dialogs.ts";

interface Found {
  readonly key: string;
  readonly title: string;
  readonly detail: string;
  readonly kind: string;
  readonly group: "layers" | "networks";
  readonly open: () => void;
}

const LAYERS = 40;
const NETWORKS = 12;

/** Every word of the query has to occur. */
function find(query: string): Found[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (...texts: string[]) => words.every((word) => texts.some((text) => text.toLowerCase().includes(word)));
  const layers = rows.value
    .filter(({ path, type }) => path !== "" && fits(path, type))
    .slice(0, LAYERS)
    .map(
      (row): Found => ({
        key: `layer ${row.path}`,
        title: row.path,
        detail: [row.type, shape(perSample(row.outputSize)), ...(row.params > 0 ? [grouped(row.params)] : [])].join(
          " · ",
        ),
        kind: row.leaf ? kindOf(row) : "block",
        group: "layers",
        open: () => reveal(row.path),
      }),
    );
  const networks = families.value
    .flatMap(({ title, cite, entries }) =>
      entries
        .filter((entry) => fits(entry.name, entry.title, title))
        .map(
          (entry): Found => ({
            key: `network ${entry.name}`,
            title: entry.name,
            detail: `${entry.title} · ${cite}`,
            kind: "block",
            group: "networks",
            open: () =>
              go({ net: entry.name, variant: undefined, open: [], edits: [], selected: undefined, form: undefined }),
          }),
        ),
    )
    .slice(0, NETWORKS);
  return words.length === 0 ? [...layers.slice(0, 8), ...networks] : [...layers, ...networks];
}

/** Layers of this network and all networks, by name. */
export function Search() {
  const query = useSignal("");
  const at = useSignal(0);
  const found = find(query.value);
  const chosen = found[Math.min(at.value, found.length - 1)];
  const close = () => {
    dialog.value = undefined;
  };
  const choose = (one: Found | undefined) => {
    if (!one) return;
    close();
    one.open();
  };
  const keys = (event: KeyboardEvent) => {
    const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (by !== 0) at.value = (at.value + by + found.length) % Math.max(1, found.length);
    else if (event.key === "Enter") choose(chosen);
    else return;
    event.preventDefault();
    document.getElementById(`found-${at.value}`)?.scrollIntoView({ block: "nearest" });
  };
  return (
    <Dialog name="search" label={t("search")} onClose={close}>
      <div class="search-field">
        <Icon icon={SearchIcon} size={18} />
        <input
          type="text"
          role="combobox"
          aria-expanded="true"
          aria-controls="found"
          aria-activedescendant={chosen ? `found-${found.indexOf(chosen)}` : undefined}
          aria-label={t("search")}
          placeholder={t("search")}
          spellcheck={false}
          autocomplete="off"
          autofocus
          value={query.value}
          onInput={({ currentTarget }) => {
            query.value = currentTarget.value;
            at.value = 0;
          }}
          onKeyDown={keys}
        />
      </div>
      <div id="found" role="listbox" aria-label={t("search")} class="found">
        {found.map((one, i) => (
          <div
            key={one.key}
            id={`found-${i}`}
            role="option"
            aria-selected={one === chosen}
            data-group={one.group !== found[i - 1]?.group ? t(one.group) : undefined}
            onClick={() => choose(one)}
            onPointerMove={() => {
              at.value = i;
            }}
          >
            <i class={`swatch kind-${one.kind}`} />
            <b>{one.title}</b>
            <span>{one.detail}</span>
          </div>
        ))}
      </div>
      {found.length === 0 && <p class="nothing">{t("nothingFound", { query: query.value })}</p>}
    </Dialog>
  );
}
