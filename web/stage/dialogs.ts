import { signal } from "@preact/signals";

/** The dialog that is open. */
export const dialog = signal<"networks" | "search" | "keys" | undefined>(undefined);
