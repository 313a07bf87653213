import { signal } from "@preact/signals";

/** The dialog that is open. */
export const dialog = signal<"networks" | "compare" | "search" | "keys" | undefined>(undefined);
