import { attribute, check, type Dim, formatShape, type Node, type Value } from "../graph/index.ts";
import { type Application, elements, type GradientRules, type Operator } from "./operator.ts";

/** What an equation such as "bij,bjk->bik" says: a letter for each axis. */
interface Equation {
  readonly inputs: readonly string[];
  readonly output: string;
}

function equationOf(node: Pick<Node, "op" | "attributes">): Equation {
  const text = attribute.string(node, "equation").replaceAll(/\s/g, "");
  const [left = "", right] = text.split("->");
  const inputs = left.split(",");
  check(
    /^[a-zA-Z,]*(->[a-zA-Z]*)?$/.test(text),
    () => `Einsum: the equation "${text}" is not supported; write a letter for each axis, such as "bij,bjk->bik"`,
  );
  // without an output, the letters that stand once, in the order of the alphabet
  const letters = [...left.replaceAll(",", "")];
  const once = [...new Set(letters)].filter((letter) => letters.filter((other) => other === letter).length === 1);
  return { inputs, output: right ?? once.sort().join("") };
}

/** The size of each letter. */
function sizesOf(node: Pick<Node, "op" | "attributes" | "inputs">, { inputs }: Equation): Map<string, Dim> {
  const sizes = new Map<string, Dim>();
  inputs.forEach((letters, i) => {
    const shape = node.inputs[i]?.shape ?? [];
    check(
      letters.length === shape.length && inputs.length === node.inputs.length,
      () => `Einsum: "${letters}" does not name the axes of ${formatShape(shape)}`,
    );
    [...letters].forEach((letter, axis) => {
      const [known, size] = [sizes.get(letter), shape[axis]!];
      check(
        known === undefined || known === size || known === 1 || size === 1,
        () => `Einsum: "${letter}" has the size ${known} in one place, ${size} in another`,
      );
      if (known === undefined || known === 1) sizes.set(letter, size);
    });
  });
  return sizes;
}

export const einsum = {
  /** Products summed over the letters that the output lacks: "bij,bjk->bik" multiplies matrices. */
  Einsum: {
    infer(node: Application) {
      const equation = equationOf(node);
      const sizes = sizesOf(node, equation);
      const shape = [...equation.output].map((letter) => {
        const size = sizes.get(letter);
        check(size !== undefined, () => `Einsum: "${letter}" of the output is in no input`);
        return size;
      });
      return [{ dtype: node.x.dtype, shape }];
    },
    macs: (node) => elements([...sizesOf(node, equationOf(node)).values()]),
    weights: { 1: "weight" },
    kind: "linear",
    title: "einsum",
  },
} as const satisfies Record<string, Operator>;

/** Gradient rules of the operators above. */
export const einsumGradients = (): GradientRules<typeof einsum> => ({
  Einsum(g, node) {
    const equation = equationOf(node);
    const { inputs, output } = equation;
    const sizes = sizesOf(node, equation);
    return inputs.map((letters, i) => () => {
      const x = node.input(i);
      check(
        new Set(letters).size === letters.length &&
          [...letters].every((letter, axis) => x.shape[axis] === sizes.get(letter)),
        () => `Einsum: has no gradient for diagonals and broadcast axes ("${letters}")`,
      );
      const others = inputs.flatMap((other, j) => (j === i ? [] : [[other, node.input(j)] as const]));
      const known = new Set([output, ...others.map(([other]) => other)].join(""));
      const found = [...letters].filter((letter) => known.has(letter)).join("");
      const equationOfGradient = `${[output, ...others.map(([other]) => other)].join(",")}->${found}`;
      const dx = g.one("Einsum", [node.dy, ...others.map(([, value]): Value => value)], {
        equation: equationOfGradient,
      });
      // a letter of this input only was summed over: its gradient is the same everywhere
      if (found === letters) return dx;
      const wide = [...letters].map((letter, axis) => (found.includes(letter) ? x.shape[axis]! : 1));
      return g.expand(g.reshape(dx, wide), x);
    });
  },
});
