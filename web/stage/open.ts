import { computed, effect, signal } from "@preact/signals";
import { openPicture } from "../look/picture.ts";
import { keep, NETWORK_FILE } from "../state/files.ts";
import { go, route } from "../state/route.ts";
import { type TextKey, t } from "../text/index.ts";
import { bytes } from "../ui/format.ts";
import { dialog } from "./dialogs.ts";

/** A message about something that did not work. It disappears by itself, by a click, and with what was on the page. */
export const notice = signal<string | undefined>(undefined);
/** Milliseconds in which it can be read. */
const READ = 12_000;
effect(() => {
  if (notice.value === undefined) return;
  const timer = setTimeout(() => {
    notice.value = undefined;
  }, READ);
  return () => clearTimeout(timer);
});
const page = computed(() => `${route.value.panel} ${route.value.net}`);
effect(() => {
  void page.value;
  notice.value = undefined;
});

/** Takes what is dropped before it is opened as a network: the panel that is shown may have another use for it. */
export const dropTaker = signal<{ readonly hint: TextKey; take(transfer: DataTransfer): boolean } | undefined>(
  undefined,
);

/** Opens a file that was dropped or chosen: a network, or a picture to look at with the network that is open. */
export async function openFile(file: File): Promise<void> {
  if (file.type.startsWith("image/")) return lookAt(file);
  if (!NETWORK_FILE.test(file.name)) {
    notice.value = t("notNetwork", { name: file.name });
    return;
  }
  try {
    await keep(file);
  } catch {
    // larger than memory, or gone since it was chosen
    notice.value = t("notReadable", { name: file.name, size: bytes(file.size) });
    return;
  }
  dialog.value = undefined;
  notice.value = undefined;
  go({
    net: `file:${file.name}`,
    variant: undefined,
    open: [],
    edits: [],
    selected: undefined,
    form: undefined,
    classes: undefined,
    side: undefined,
  });
}

async function lookAt(file: File): Promise<void> {
  try {
    await openPicture(file, file.name);
    notice.value = undefined;
    go({ panel: "look" });
  } catch {
    notice.value = t("notPicture", { name: file.name });
  }
}

/** Lets the reader choose a file. */
export function chooseFile(): void {
  const input = Object.assign(document.createElement("input"), { type: "file", accept: ".onnx,.pth,.pt,.safetensors" });
  input.addEventListener("change", () => {
    const [file] = input.files ?? [];
    if (file) openFile(file);
  });
  input.click();
}
