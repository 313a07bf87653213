/** What a figure shows only after the reader has predicted something. */
import { type ComponentChildren, createContext } from "preact";
import { useContext } from "preact/hooks";
import { word } from "./words.ts";

/** Whether something was predicted. */
export const Revealed = createContext(true);

/** A number or text that is the answer: a question mark before the prediction. */
export function Answer({ children }: { readonly children: ComponentChildren }) {
  if (useContext(Revealed)) return <>{children}</>;
  return (
    <span class="answer" title={word("hidden")}>
      <span aria-hidden="true">?</span>
      <span class="unseen">{word("hidden")}</span>
    </span>
  );
}
