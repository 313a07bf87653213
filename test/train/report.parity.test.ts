import fc from "fast-check";
import { expect, test } from "vitest";
import { report } from "../../src/report/index.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { dataOf } from "./report-data.ts";

const noPython = pythonSkipReason();

test("no text becomes markup: Python's parser sees the same tags whatever the names are", unless(noPython), () => {
  const script = `
import json, sys
from html.parser import HTMLParser
VOID = {"meta", "img", "br"}
class Tags(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.seen, self.text = [], [], []
    def handle_starttag(self, tag, attributes):
        self.seen.append([tag, sorted(name for name, _ in attributes)])
        if tag not in VOID: self.open.append(tag)
    def handle_startendtag(self, tag, attributes):
        self.seen.append([tag, sorted(name for name, _ in attributes)])
    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()
    def handle_data(self, data):
        self.text.append(data)
out = []
for page in json.load(sys.stdin):
    parser = Tags()
    parser.feed(page)
    parser.close()
    assert not parser.open, parser.open
    out.append({"tags": parser.seen, "text": "".join(parser.text)})
json.dump(out, sys.stdout)`;
  const hostile = [
    `<img src=x onerror="alert(1)">`,
    `</title></style></script><script>alert(1)</script>`,
    `" onmouseover="alert(1)" x='`,
    "&lt;b&gt; &amp;",
    "]]>--><!--",
    // what draws shorten or drop is not looked for below; line breaks are kept by no attribute
    ...fc.sample(fc.string({ unit: fc.constantFrom(..."<>&\"'/=- ab"), minLength: 1 }), 20),
  ];
  const pages = ["plain", ...hostile].map((text) => report(dataOf({ text })));
  const [plain, ...others] = JSON.parse(python(script, { input: JSON.stringify(pages) }));
  for (const [i, { tags, text }] of others.entries()) {
    expect(tags, hostile[i]).toEqual(plain.tags);
    expect(text).toContain(`nin on shapes${hostile[i]}`);
    expect(text).toContain(`class 3${hostile[i]}`);
  }
});
