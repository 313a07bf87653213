/** Drawings for other programs: what they hold, and that no name can break them. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type DrawOptions, draw, drawDot, drawMermaid, drawPdf, drawTikz } from "../../src/draw/index.ts";
import { segmentsOf } from "../../src/draw/paint/segments.ts";
import { createModel } from "../../src/models/index.ts";
import { Conv2d, Module, ReLU, Sequential, type Tensor } from "../../src/nn/index.ts";

const HOSTILE = [
  `</svg><script>alert("&")</script>`,
  `end"]; x --> y`,
  "}\\end{document}\\input{/etc/passwd}%$#_^~&",
  "%%{init: {}}%%",
  `\\"; evil [label="`,
  "a\nb\u2028c",
  "網路 😀",
  "(x) Tj ET",
];

/** A network whose block has this name. */
class Named extends Module<Tensor> {
  constructor(name: string) {
    super();
    const block = new Sequential(new Conv2d(3, 4, 3), new ReLU(), new Conv2d(4, 4, 3), new Conv2d(4, 4, 1));
    Object.assign(this, { [`p${name}`]: block });
  }
  forward(x: Tensor): Tensor {
    const [[, first]] = [...this.children()] as [[string, Module<Tensor>]];
    return first.call(x).add(x.mean([1, 2, 3], true));
  }
}

const small = (name = "", options: DrawOptions = {}) => ({
  model: new Named(name),
  options: { input: [1, 3, 8, 8], ...options },
});

/** Texts in quotes, with what is escaped in them. */
const QUOTED = /"(?:[^"\\]|\\.)*"/g;
const latin1 = (bytes: Uint8Array) => String.fromCharCode(...bytes);

describe("depth and direction", () => {
  const resnet = createModel("resnet18");
  const names = (options: DrawOptions) =>
    [...draw(resnet, { input: [1, 3, 64, 64], ...options }).matchAll(/>(layer[\d.]+)</g)].map(([, name]) => name);

  it("opens blocks to a depth", () => {
    expect(names({ depth: 0 })).toEqual(["layer1", "layer2", "layer3", "layer4"]);
    expect(names({ depth: 1 })).toHaveLength(12);
    expect(names({ depth: Infinity })).toEqual(names({ depth: 2 }));
    expect(draw(resnet, { input: [1, 3, 64, 64], depth: 2 })).toContain(">conv 3×3<");
    expect(draw(resnet, { input: [1, 3, 64, 64], depth: 1 })).not.toContain(">conv 3×3<");
  });

  it("draws chains as boxes in the direction asked for", () => {
    const vgg = createModel("vgg_small");
    const size = (options: DrawOptions) =>
      /viewBox="0 0 (\d+) (\d+)"/
        .exec(draw(vgg, { input: [1, 3, 32, 32], ...options }))!
        .slice(1)
        .map(Number);
    const [[width, height], [wide, low]] = [size({ direction: "down" }), size({ direction: "right" })];
    expect(height).toBeGreaterThan(2 * width!);
    expect(wide).toBeGreaterThan(low!);
  });

  it("refuses what means nothing", () => {
    const { model, options } = small();
    expect(() => draw(model, { ...options, depth: -1 })).toThrow(
      "draw: depth has to be a whole number from 0 on, but is -1",
    );
    expect(() => drawPdf(model, { ...options, direction: "up" as "down" })).toThrow(
      'drawPdf: direction has to be "right" or "down", but is "up"',
    );
    expect(() => drawDot(model)).toThrow("drawDot: a module is drawn for an input");
  });
});

describe("PDF", () => {
  it("has every object where its table says, and a stream as long as it says", () => {
    const { model, options } = small("網路 (x)", { title: "網路 😀 \\ (" });
    const file = latin1(drawPdf(model, options));
    const table = Number(/startxref\n(\d+)\n%%EOF\n$/.exec(file)![1]);
    expect(file.slice(table)).toMatch(/^xref\n0 11\n/);
    [...file.slice(table).matchAll(/^(\d{10}) 00000 n $/gm)].forEach(([, place], i) => {
      expect(file.slice(Number(place)).startsWith(`${i + 1} 0 obj\n`)).toBe(true);
    });
    const [, length, content] = /\/Length (\d+)>>stream\n([\s\S]*)\nendstream/.exec(file)!;
    expect(content).toHaveLength(Number(length));
    expect(file).toMatch(/^[\n\x20-\x7e]*$/);
  });

  it("has its texts as texts", () => {
    const { model, options } = small();
    const shown = [...latin1(drawPdf(model, options)).matchAll(/<([0-9a-f]+)> Tj/g)].map(([, hex]) =>
      String.fromCharCode(...hex!.match(/../g)!.map((two) => Number.parseInt(two, 16))),
    );
    expect(shown).toEqual(expect.arrayContaining(["input", "conv 3×3", "convolution", "Named"]));
  });
});

describe("paths", () => {
  it("become absolute, and quadratic curves cubic ones", () => {
    expect(segmentsOf("M1 2h3v-1l-1.5 2Q0 0 3 3z")).toEqual([
      { kind: "move", to: [1, 2] },
      { kind: "line", to: [4, 2] },
      { kind: "line", to: [4, 1] },
      { kind: "line", to: [2.5, 3] },
      {
        kind: "curve",
        controls: [
          [2.5 / 3, 1],
          [1, 1],
        ].map(([x, y]) => [expect.closeTo(x!), expect.closeTo(y!)]),
        to: [3, 3],
      },
      { kind: "close" },
    ]);
  });
});

describe.each(HOSTILE)("a block named %j", (name) => {
  const { model, options } = small(name, { title: name });

  it("stays text in Mermaid", () => {
    const [, title, ...lines] = drawMermaid(model, options).trimEnd().split("\n");
    expect(() => JSON.parse(title!.slice("title: ".length))).not.toThrow();
    for (const line of lines.slice(2))
      expect(line).toMatch(
        /^ *(subgraph n\d+ \["[^"]*"\]|end|n\d+(\["[^"]*"\]|\(\["[^"]*"\]\)|\(\("[^"]*"\)\))|n\d+ --> n\d+|class(Def)? [\w, :#-]+)$/,
      );
  });

  it("stays text in Graphviz", () => {
    const bare = drawDot(model, options).replaceAll(QUOTED, "S");
    for (const line of bare.trimEnd().split("\n"))
      expect(line).toMatch(
        /^ *(digraph S \{|\}|subgraph cluster_n\d+ \{|(graph|node|edge|n\d+) \[\w+=[\w.]+(, \w+=[\w.]+)*\];|n\d+ -> n\d+;)$/,
      );
  });

  it("stays text in TeX", () => {
    const lines = drawTikz(model, options).trimEnd().split("\n");
    expect(lines[0]).toMatch(/^% /);
    const body = lines.slice(lines.findIndex((line) => line.startsWith("\\begin{tikzpicture}")) + 1, -2);
    for (const line of body) {
      const bare = line.replaceAll(/\\(?:[{}$&#_%]|[a-zA-Z]+)|\$\\[a-z]+\$|\$-\$/g, "");
      expect(bare).toMatch(/^\[[^\]]*\] [^\\]*;$/);
      expect([...bare.matchAll(/[{}]/g)].reduce((depth, [brace]) => depth + (brace === "{" ? 1 : -1), 0)).toBe(0);
      expect(bare).not.toMatch(/[%#&$~^]/);
    }
  });
});

it("writes every name of any network", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 20 }), (name) => {
      const { model, options } = small(name, { title: name });
      for (const write of [drawPdf, drawTikz, drawMermaid, drawDot])
        expect(write(model, options).length).toBeGreaterThan(500);
    }),
    { numRuns: 8 },
  );
});
