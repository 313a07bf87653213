/** The guide's lists of layers, methods and operators are complete. */
import { expect, it } from "vitest";
import * as nn from "../../src/nn/index.ts";
import { gradientOf, OPERATORS } from "../../src/operators/index.ts";
import { readDocument } from "./documents.ts";

const text = readDocument("docs/guide.md").split("## Layers and tensor methods")[1]!;

/** The names after the colon in the sentence that starts with these words. */
const listed = (start: string) => {
  const sentence = text.slice(text.indexOf(":", text.indexOf(start))).split(/[.;]\s/)[0]!;
  return [...sentence.matchAll(/`(\w+)`/g)].map(([, name]) => name).sort();
};

it("lists all layers", () => {
  const { Module } = nn;
  const layers = Object.entries(nn).filter(
    ([name, value]) => name !== "Layer" && typeof value === "function" && value.prototype instanceof Module,
  );
  expect(listed("Layers, with")).toEqual(layers.map(([name]) => name).sort());
});

it("lists all methods of tensors", () => {
  const others = ["constructor", "shape", "wrap"];
  const methods = Object.getOwnPropertyNames(nn.Tensor.prototype).filter((name) => !others.includes(name));
  expect(listed("Methods of a tensor")).toEqual(methods.sort());
});

it("lists all operators that have a gradient", () => {
  const operators = Object.keys(OPERATORS).filter((name) => gradientOf(name) && !name.includes("."));
  expect(listed("These operators")).toEqual(operators.sort());
});
