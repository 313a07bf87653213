import { useSignal } from "@preact/signals";
import { FolderOpen, ImagePlus, Plus, X } from "lucide";
import { go } from "../state/route.ts";
import { t } from "../text/index.ts";
import { trainer } from "../training/client.ts";
import type { DataInfo, DataSpec } from "../training/protocol.ts";
import { data, listSets, sets } from "../training/setup.ts";
import { grouped } from "../ui/format.ts";
import { Icon } from "../ui/Icon.tsx";
import {
  addClass,
  addFiles,
  choose,
  discard,
  draft,
  draftProblem,
  importing,
  removeClass,
  rename,
  takeFiles,
  useDraft,
} from "./draft.ts";

const COUNTS = [500, 1000, 2000, 5000, 10000];

const take = (spec: DataSpec) => {
  data.value = spec;
  go({ run: undefined });
};

/** Which images the next run learns from. */
export function DataChoice() {
  const { value } = data;
  const images = value.kind === "shapes" ? value.images : 2000;
  return (
    <section class="setup-part">
      <h3>{t("trainData")}</h3>
      <ul class="sets">
        <li class={value.kind === "shapes" ? "is-chosen" : ""}>
          <button
            type="button"
            class="set"
            aria-pressed={value.kind === "shapes"}
            onClick={() => take({ kind: "shapes", images })}
          >
            <b>{t("trainShapes")}</b>
            <span>{t("trainShapesHint")}</span>
          </button>
          {value.kind === "shapes" && (
            <label class="set-count">
              <span class="unseen">{t("trainCount")}</span>
              <select
                value={images}
                onChange={(event) => take({ kind: "shapes", images: Number(event.currentTarget.value) })}
              >
                {[...new Set([...COUNTS, images])]
                  .sort((a, b) => a - b)
                  .map((count) => (
                    <option key={count} value={count}>
                      {grouped(count)}
                    </option>
                  ))}
              </select>
            </label>
          )}
        </li>
        {sets.value.map((set) => (
          <Stored key={set.id} set={set} chosen={value.kind === "stored" && value.id === set.id} />
        ))}
      </ul>
      {draft.value ? <Draft /> : <Own />}
      {importing.value && !draft.value && <p role="status">{t("trainImporting", importing.value)}</p>}
      {draftProblem.value && (
        <p class="train-problem" role="alert">
          {draftProblem.value}
        </p>
      )}
    </section>
  );
}

function Stored({ set, chosen }: { readonly set: DataInfo; readonly chosen: boolean }) {
  const sure = useSignal(false);
  const { id, name, images, classes, shape, notes } = set;
  const remove = async () => {
    if (chosen) data.value = { kind: "shapes", images: 2000 };
    await trainer.removeData(id);
    await listSets();
  };
  return (
    <li class={chosen ? "is-chosen" : ""}>
      <button type="button" class="set" aria-pressed={chosen} onClick={() => take({ kind: "stored", id })}>
        <b>{name}</b>
        <span>{t("trainSetFacts", { images: grouped(images), classes: classes.length, side: shape[1] })}</span>
        {notes.length > 0 && <span title={notes.join("\n")}>{notes[0]}</span>}
      </button>
      <button
        type="button"
        class="quiet"
        aria-label={t("trainRemoveData", { name })}
        onClick={() => (sure.value = !sure.value)}
      >
        <Icon icon={X} size={14} />
      </button>
      {sure.value && (
        <p class="sure">
          <span>{t("trainSureData")}</span>
          <button type="button" class="button" onClick={remove}>
            {t("trainYes")}
          </button>
          <button type="button" class="button" onClick={() => (sure.value = false)}>
            {t("trainNo")}
          </button>
        </p>
      )}
    </li>
  );
}

function Own() {
  return (
    <div class="own">
      <b>{t("trainOwn")}</b>
      <p>{t("trainOwnHint")}</p>
      <div class="row">
        <button type="button" class="button" onClick={() => choose({ folder: true }, takeFiles)}>
          <Icon icon={FolderOpen} size={16} />
          {t("trainFolder")}
        </button>
        <button type="button" class="button" onClick={() => choose({}, takeFiles)}>
          {t("trainFiles")}
        </button>
        <button type="button" class="button" onClick={addClass}>
          <Icon icon={Plus} size={16} />
          {t("trainAddClass")}
        </button>
      </div>
    </div>
  );
}

function Draft() {
  const classes = draft.value ?? [];
  const images = classes.reduce((sum, { files }) => sum + files.length, 0);
  const filled = classes.filter(({ files }) => files.length > 0).length;
  const busy = importing.value;
  return (
    <div class="own">
      <b>{t("trainOwn")}</b>
      <ul class="draft">
        {classes.map(({ name, files }, i) => (
          <li key={i}>
            <input
              type="text"
              value={name}
              placeholder={String(i + 1)}
              aria-label={t("trainClassName", { number: i + 1 })}
              onInput={(event) => rename(i, event.currentTarget.value)}
            />
            <span>{files.length}</span>
            <button
              type="button"
              class="quiet"
              aria-label={t("trainAddImagesTo", { name: name || i + 1 })}
              title={t("trainAddImages")}
              onClick={() => choose({ accept: "image/*" }, (chosen) => addFiles(i, chosen))}
            >
              <Icon icon={ImagePlus} size={16} />
            </button>
            <button
              type="button"
              class="quiet"
              aria-label={t("trainRemoveClass", { name: name || i + 1 })}
              onClick={() => removeClass(i)}
            >
              <Icon icon={X} size={14} />
            </button>
          </li>
        ))}
      </ul>
      <div class="row">
        <button type="button" class="button" onClick={addClass}>
          <Icon icon={Plus} size={16} />
          {t("trainAddClass")}
        </button>
        <button type="button" class="button" onClick={discard}>
          {t("trainDiscard")}
        </button>
      </div>
      <button
        type="button"
        class="button is-main"
        disabled={filled < 2 || filled < classes.length || busy !== undefined}
        onClick={useDraft}
      >
        {busy ? t("trainImporting", busy) : t("trainUse", { images, classes: classes.length })}
      </button>
    </div>
  );
}
