/** The secret that the server wants for more than the page's own files. It is handed over in the address, once, and stays with the tab. */
import { signal } from "@preact/signals";

const NAME = "convnets-token";

const kept = signal(sessionStorage.getItem(NAME));

/** Keeps the token, if the address hands one over. */
export function takeToken(hash: string): void {
  const handed = new URLSearchParams(hash.split("?")[1]).get("token");
  if (!handed) return;
  sessionStorage.setItem(NAME, handed);
  kept.value = handed;
}

export const token = (): string | null => kept.value;
