import fc from "fast-check";
import { numel, tensor } from "../../../src/graph/index.ts";
import { type Case, type Family, family } from "../../support/family.ts";
import { apply, py } from "./apply.ts";

const size = fc.integer({ min: 1, max: 4 });
const shapes = (minLength = 0, maxLength = 3) => fc.array(size, { minLength, maxLength });
const reshape = (shape: readonly number[]) => `x[0].reshape(${py(shape)})`;

/** Slices of some axes: any start, end and step that ONNX allows, counted from either end. */
const slices = shapes(1).chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    parts: fc.uniqueArray(
      fc.record({
        axis: fc.integer({ min: 1, max: shape.length }),
        start: fc.integer({ min: -6, max: 6 }),
        end: fc.oneof(fc.integer({ min: -6, max: 6 }), fc.constantFrom(2 ** 31 - 1, -(2 ** 31))),
        step: fc.constantFrom(1, 1, 2, 3, -1, -2, -3),
      }),
      { selector: ({ axis }) => axis, minLength: 1 },
    ),
  }),
);

/** The indices that NumPy's slice takes of an axis, which ONNX's rules follow. */
function taken(size: number, start: number, end: number, step: number): number[] {
  const from = start < 0 ? start + size : start;
  const to = end < 0 ? end + size : end;
  const indices: number[] = [];
  if (step > 0) for (let i = Math.max(from, 0); i < Math.min(to, size); i += step) indices.push(i);
  else for (let i = Math.min(from, size - 1); i > Math.max(to, -1); i += step) indices.push(i);
  return indices;
}

export const layout: Record<string, Family> = {
  Reshape: family(
    fc.record({ shape: shapes(2, 3), form: fc.constantFrom("flat", "kept", "open", "swapped") }),
    ({ shape, form }, N, draw): Case => {
      const target = {
        flat: [-1],
        kept: [0, numel(shape)],
        open: [...[...shape].reverse(), -1],
        swapped: [-1, ...[...shape].reverse()],
      }[form];
      const sizes = target.map((dim, axis) => (dim === 0 ? [N, ...shape][axis]! : dim));
      return {
        inputs: [draw.uniform([N, ...shape])],
        build: apply("Reshape", {}, { ints: [target] }),
        torch: reshape(sizes),
      };
    },
  ),
  Flatten: family(fc.record({ shape: shapes(), axis: fc.nat(3), negative: fc.boolean() }), (geometry, N, draw) => {
    const shape = [N, ...geometry.shape];
    const axis = geometry.axis % shape.length;
    return {
      inputs: [draw.uniform(shape)],
      build: apply("Flatten", { axis: geometry.negative ? axis - shape.length : axis }),
      torch: reshape([numel(shape.slice(0, axis)), numel(shape.slice(axis))]),
    };
  }),
  Squeeze: family(
    fc.record({ ones: fc.array(fc.boolean(), { minLength: 1, maxLength: 3 }), given: fc.boolean() }),
    ({ ones, given }, N, draw) => {
      const shape = ones.map((one, axis) => (one ? 1 : axis + 2));
      const axes = ones.flatMap((one, axis) => (one ? [axis + 1] : []));
      // without axes a batch of 1 would go too, which a named size does not show
      const named = given && axes.length > 0;
      return {
        inputs: [draw.uniform([N, ...shape])],
        batched: named ? [0] : [],
        build: apply(
          "Squeeze",
          {},
          { ints: named ? [axes.map((axis, i) => (i % 2 ? axis : axis - ones.length - 1))] : [] },
        ),
        torch: named ? reshape([N, ...shape.filter((_, i) => !ones[i])]) : "x[0].squeeze()",
      };
    },
  ),
  Unsqueeze: family(
    fc.record({ shape: shapes(), axes: fc.uniqueArray(fc.nat(1), { minLength: 1 }), negative: fc.boolean() }),
    ({ shape, axes, negative }, N, draw) => {
      const rank = shape.length + 1 + axes.length;
      const full: number[] = [];
      const rest = [N, ...shape];
      for (let axis = 0; axis < rank; axis++) full.push(axes.includes(axis) ? 1 : rest.shift()!);
      const given = axes.map((axis) => (negative ? axis - rank : axis));
      return {
        inputs: [draw.uniform([N, ...shape])],
        build: apply("Unsqueeze", {}, { ints: [given] }),
        torch: reshape(full),
      };
    },
  ),
  Transpose: family(
    shapes().chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        perm: fc.option(fc.shuffledSubarray([0, ...shape.map((_, i) => i + 1)], { minLength: shape.length + 1 })),
      }),
    ),
    ({ shape, perm }, N, draw) => ({
      inputs: [draw.uniform([N, ...shape])],
      build: apply("Transpose", perm ? { perm } : {}),
      torch: `x[0].permute(${py(perm ?? [N, ...shape].map((_, axis) => shape.length - axis))})`,
    }),
  ),
  Concat: family(
    fc.record({ shape: shapes(1), axis: fc.nat(2), negative: fc.boolean(), widths: shapes(1, 4) }),
    ({ shape, axis, negative, widths }, N, draw) => {
      const at = (axis % shape.length) + 1;
      const inputs = widths.map((width) => draw.uniform([N, ...shape].map((size, i) => (i === at ? width : size))));
      return {
        inputs,
        batched: inputs.map((_, i) => i),
        // one is left out where there are several: not all gradients are always wanted
        wrt: inputs.map((_, i) => i).slice(inputs.length > 2 ? 1 : 0),
        build: apply("Concat", { axis: negative ? at - shape.length - 1 : at }),
        torch: `torch.cat(x, ${at})`,
      };
    },
  ),
  Split: family(
    fc.record({ shape: shapes(1), axis: fc.nat(2), negative: fc.boolean(), widths: shapes(2, 4) }),
    ({ shape, axis, negative, widths }, N, draw) => {
      const at = (axis % shape.length) + 1;
      const total = widths.reduce((sum, width) => sum + width, 0);
      return {
        inputs: [draw.uniform([N, ...shape].map((size, i) => (i === at ? total : size)))],
        build: apply(
          "Split",
          { axis: negative ? at - shape.length - 1 : at },
          { ints: [widths], outputs: widths.length },
        ),
        torch: `x[0].split(${py(widths)}, ${at})`,
      };
    },
  ),
  Slice: family(slices, ({ shape, parts }, N, draw) => {
    // ONNX has empty slices, but networks have no use for them and kernels differ
    const kept = parts.filter(({ axis, start, end, step }) => taken(shape[axis - 1]!, start, end, step).length > 0);
    const column = (key: "start" | "end" | "axis" | "step") => kept.map((part) => part[key]);
    const rank = shape.length + 1;
    const axes = column("axis").map((axis, i) => (i % 2 ? axis - rank : axis));
    const select = kept.map(
      ({ axis, start, end, step }) =>
        `.index_select(${axis}, torch.tensor(${py(taken(shape[axis - 1]!, start, end, step))}))`,
    );
    return {
      inputs: [draw.uniform([N, ...shape])],
      build: apply("Slice", {}, { ints: [column("start"), column("end"), axes, column("step")] }),
      torch: `x[0]${select.join("")}`,
    };
  }),
  /** Negative padding cuts off. */
  Pad: family(
    fc.array(fc.tuple(size, fc.integer({ min: -2, max: 3 }), fc.integer({ min: -2, max: 3 })), {
      minLength: 1,
      maxLength: 3,
    }),
    (axes, N, draw) => {
      const fits = axes.map(([size, before, after]) => [size + 4, before, after] as const);
      const pads = [0, ...fits.map(([, before]) => before), 0, ...fits.map(([, , after]) => after)];
      return {
        inputs: [draw.uniform([N, ...fits.map(([size]) => size)])],
        build: apply("Pad", {}, { ints: [pads] }),
        torch: `F.pad(x[0], ${py([...fits].reverse().flatMap(([, before, after]) => [before, after]))})`,
      };
    },
  ),
  /** To a constant shape, and to that of another tensor, which has the batch. */
  Expand: family(
    fc.record({
      shape: shapes(),
      ones: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      skip: fc.nat(3),
      like: fc.boolean(),
    }),
    ({ shape, ones, skip, like }, N, draw) => {
      const full = [like ? N : 2, ...shape];
      const x = draw.uniform(
        full.map((size, axis) => (ones[axis] || axis === 0 ? 1 : size)).slice(Math.min(skip, full.length)),
      );
      return {
        inputs: like ? [x, draw.uniform(full)] : [x],
        batched: like ? [1] : [],
        build: ([x, target]) => {
          const { ops } = x!.tracer;
          const to = target ? ops.one("Shape", [target.value]) : ops.ints(full);
          return x!.wrap(ops.one("Expand", [x!.value, to]));
        },
        torch: `x[0].expand(${py(full)}).clone()`,
      };
    },
  ),
  Shape: family(shapes(), (shape, N, draw) => ({
    inputs: [draw.uniform([N, ...shape])],
    wrt: [],
    build: apply("Shape"),
    torch: "torch.tensor(x[0].shape)",
  })),
  Size: family(shapes(), (shape, N, draw) => ({
    inputs: [draw.uniform([N, ...shape])],
    wrt: [],
    build: apply("Size"),
    torch: "torch.tensor(x[0].numel())",
  })),
  Gather: family(
    shapes().chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        axis: fc.nat(shape.length),
        picked: fc.array(fc.nat(5), { minLength: 1, maxLength: 4 }),
      }),
    ),
    ({ shape, axis, picked }, N, draw) => {
      const full = [N, ...shape];
      // at a batch of 1 there is but one to pick
      const indices = picked.map((index) => (axis === 0 ? 0 : index % full[axis]!));
      return {
        inputs: [draw.uniform(full)],
        build: apply("Gather", { axis }, { ints: [indices] }),
        torch: `x[0].index_select(${axis}, torch.tensor(${py(indices)}))`,
      };
    },
  ),
  Constant: family(shapes(1), (shape, _, draw) => {
    const value = draw.uniform(shape);
    return {
      inputs: [value],
      batched: [],
      wrt: [],
      build: ([x]) => x!.wrap(x!.tracer.ops.one("Constant", [], { value })),
      torch: "x[0]",
    };
  }),
  ConstantOfShape: family(fc.record({ shape: shapes(), like: fc.boolean() }), ({ shape, like }, N, draw) => ({
    inputs: [draw.uniform([N, ...shape])],
    batched: like ? [0] : [],
    wrt: [],
    build: ([x]) => {
      const { ops } = x!.tracer;
      const sizes = like ? ops.one("Shape", [x!.value]) : ops.ints([N, ...shape]);
      return x!.wrap(ops.one("ConstantOfShape", [sizes], { value: tensor("float32", [1], Float32Array.of(2.5)) }));
    },
    torch: "torch.full_like(x[0], 2.5)",
  })),
  Range: family(fc.record({ start: size, step: size, count: size }), ({ start, step, count }, N, draw) => ({
    inputs: [draw.uniform([N])],
    wrt: [],
    build: ([x]) => {
      const { ops } = x!.tracer;
      const numbers = [start, start + count * step, step].map((n) => ops.constant(tensor("int64", [], [n])));
      const range = ops.cast(ops.one("Range", numbers), "float32");
      return x!.wrap(ops.add(ops.reshape(x!.value, [...x!.shape, 1]), range));
    },
    torch: `x[0][:, None] + torch.arange(${start}, ${start + count * step}, ${step})`,
  })),
  ScatterElements: family(fc.record({ rows: size, columns: size }), ({ rows, columns }, _, draw) => ({
    inputs: [draw.uniform([rows, columns]), draw.uniform([rows, columns])],
    batched: [],
    wrt: [],
    build: ([x, updates]) => {
      const { ops } = x!.tracer;
      // every row is added to the first
      const indices = ops.constant(tensor("int64", [rows, columns], new BigInt64Array(rows * columns)));
      const inputs = [x!.value, indices, updates!.value];
      return x!.wrap(ops.one("ScatterElements", inputs, { axis: 0, reduction: "add" }));
    },
    torch: "torch.cat([x[0][:1] + x[1].sum(0, keepdim=True), x[0][1:]])",
  })),
};
