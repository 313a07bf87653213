/** The secret that the server wants for more than the page's own files. It is handed over in the address, once, and stays with the tab. */
const NAME = "convnets-token";

const handed = new URLSearchParams(location.hash.split("?")[1]).get("token");
if (handed) sessionStorage.setItem(NAME, handed);

export const token = sessionStorage.getItem(NAME);
