/** Writes the hash of the sandbox's script into the page's content security policy. */
import { createHash } from "node:crypto";
import type { Plugin } from "vite";
import { FRAME_SCRIPT } from "../sandbox/frame.ts";

export function policy(): Plugin {
  const hash = createHash("sha256").update(FRAME_SCRIPT).digest("base64");
  return {
    name: "policy",
    transformIndexHtml: (html) => html.replace("'sandbox-hash'", `'sha256-${hash}'`),
  };
}
