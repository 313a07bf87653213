import { expect, it } from "vitest";
import { diagram, diagramOf, structure } from "../../src/draw/index.ts";
import { createModel } from "../../src/models/index.ts";
import { trace } from "../../src/nn/index.ts";

const input = [1, 3, 224, 224];
const googlenet = trace(createModel("googlenet"), input);

it("blocks open one by one, at any depth, and what they join stays", () => {
  const closed = diagram(googlenet);
  const ids = (nodes: typeof closed.nodes) => nodes.map(({ id }) => id);
  expect(ids(closed.nodes)).toContain("inception4a");
  expect(closed.links).toContainEqual(["maxpool3", "inception4a"]);
  expect(closed.links).toContainEqual(["inception4a", "aux1"]);

  const open = diagram(googlenet, { open: ["inception4a", "inception4a.branch2"] });
  const byId = new Map(open.nodes.map((node) => [node.id, node]));
  expect(byId.get("inception4a")).toMatchObject({ form: "frame", open: true, opens: true });
  expect(byId.get("inception4a.branch2")).toMatchObject({ parent: "inception4a", form: "frame" });
  expect(byId.get("inception4a.branch2.1.conv.0")).toMatchObject({
    parent: "inception4a.branch2",
    title: "conv 3×3",
    kind: "conv",
    shape: [208, 14, 14],
  });
  expect(byId.get("inception4a.branch3")).toMatchObject({ parent: "inception4a", form: "block", open: false });
  expect(open.links).toContainEqual(["maxpool3", "inception4a.branch2.0.conv.0"]);
  expect(open.links).toContainEqual(["inception4a.branch3", "inception4a/Concat"]);
  expect(open.links).toContainEqual(["inception4a/Concat", "aux1"]);
});

it("every layer is in exactly one box, whatever is open, and boxes lie within their frames", () => {
  const members = (open: string[]) =>
    diagram(googlenet, { open })
      .nodes.filter((node) => !node.open)
      .flatMap((node) => node.members)
      .sort();
  const all = members([]);
  expect(new Set(all).size).toBe(all.length);
  const blocks = diagram(googlenet).nodes.filter(({ opens }) => opens);
  const inner = [...blocks.map(({ id }) => id), "inception3a.branch2", "inception3a.branch3"];
  expect(members(inner)).toEqual(all);
  const { nodes } = diagram(googlenet, { open: inner });
  for (const { parent, x, y, width, height } of nodes) {
    const frame = nodes.find(({ id }) => id === parent);
    if (!frame) continue;
    expect(x).toBeGreaterThanOrEqual(frame.x);
    expect(y).toBeGreaterThanOrEqual(frame.y);
    expect(x + width).toBeLessThanOrEqual(frame.x + frame.width);
    expect(y + height).toBeLessThanOrEqual(frame.y + frame.height);
  }
});

it("is plain data, and draws chains as solids unless boxes are asked for", () => {
  const vgg = createModel("vgg16");
  const solids = diagram(vgg, { input });
  expect(structuredClone(solids)).toEqual(solids);
  expect(solids).toMatchObject({ form: "solids", solid: true });
  expect(diagram(vgg, { input, form: "boxes" }).nodes.every(({ form }) => form !== "volume")).toBe(true);
  expect(() => diagram(googlenet, { form: "solids" })).toThrow("only a chain of layers");
});

it("is the same from the structure of a network, as plain data", () => {
  const open = ["inception4a", "inception4a.branch2"];
  const kept = JSON.parse(JSON.stringify(structure(googlenet)));
  expect(kept).toMatchObject({ title: "GoogLeNet", params: 13_351_716 });
  expect(diagramOf(kept, { open })).toEqual(diagram(googlenet, { open }));
  const conv = diagramOf(kept, { open }).nodes.find(({ id }) => id === "inception4a.branch2.1.conv.0");
  expect(conv).toMatchObject({ inputs: [[96, 14, 14]], macs: 96 * 9 * 208 * 14 * 14 });
  expect(() => diagramOf(kept, { form: "solids" })).toThrow("diagramOf: only a chain");
});
