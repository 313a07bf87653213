/** The secret that the server wants for more than the page's own files. It is handed over in the address, once, and stays with the tab. */
const NAME = "convnets-token";

/** Keeps the token, if the address hands one over. */
export function takeToken(hash: string): void {
  const handed = new URLSearchParams(hash.split("?")[1]).get("token");
  if (handed) sessionStorage.setItem(NAME, handed);
}

export const token = (): string | null => sessionStorage.getItem(NAME);
