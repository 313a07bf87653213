/** Markup that may go into a page as it is. Made by `html` and `trusted` only. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type HtmlValue = string | number | Html | false | undefined | readonly HtmlValue[];

/** A template whose values are escaped, unless they are markup themselves: html`<td>${name}</td>`. */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  return new Html(strings.map((part, i) => (i === 0 ? part : markup(values[i - 1]) + part)).join(""));
}

/** Markup from a source that escapes by itself. */
export const trusted = (text: string): Html => new Html(text);

function markup(value: HtmlValue): string {
  if (value === undefined || value === false) return "";
  if (value instanceof Html) return value.text;
  if (typeof value === "string" || typeof value === "number") return escaped(String(value));
  return value.map(markup).join("");
}

/** Text that is safe between tags and in quoted attributes. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
