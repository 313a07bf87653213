/** Methods of tensors against PyTorch. */
import fc from "fast-check";
import { describe, it } from "vitest";
import { F, stack } from "../../src/nn/index.ts";
import { family, RUNS } from "../support/family.ts";
import { checkFamily } from "../support/gradients.ts";

const upTo = (max: number, min = 0) => fc.integer({ min, max });
const shape = fc.tuple(upTo(4, 1), upTo(4, 1), upTo(4, 1));

describe("moving elements", () => {
  it("slice takes a step, and ends that count from the end", () => {
    const geometry = fc.record({
      shape: fc.tuple(upTo(3, 1), upTo(7, 1), upTo(3, 1)),
      start: fc.integer({ min: -8, max: 6 }),
      end: fc.option(fc.integer({ min: -3, max: 9 }), { nil: undefined }),
      step: upTo(3, 1),
      negative: fc.boolean(),
    });
    return checkFamily(
      family(geometry, ({ shape, start, end, step, negative }, N, draw) => {
        const size = shape[1];
        const at = (i: number) => Math.min(Math.max(i < 0 ? i + size : i, 0), size);
        // nothing would be left
        const from = at(start) < at(end ?? size) ? start : 0;
        const to = at(from) < at(end ?? size) ? end : undefined;
        return {
          inputs: [draw.uniform([N, ...shape])],
          build: ([x]) => x!.slice(negative ? -2 : 2, from, to, step),
          torch: `x[0][:, :, ${from}:${to ?? ""}:${step}]`,
        };
      }),
      3 * RUNS,
    );
  });

  it("split and chunk give PyTorch's parts", () => {
    const geometry = fc.record({ shape: fc.tuple(upTo(7, 1), upTo(3, 1)), size: upTo(4, 1), chunks: upTo(4, 1) });
    return checkFamily(
      family(geometry, ({ shape, size, chunks }, N, draw) => {
        const first = Math.min(size, shape[0]);
        const sizes = [first, shape[0] - first].filter((part) => part > 0);
        return {
          inputs: [draw.uniform([N, ...shape])],
          build: ([x]) => [...x!.split(size, 1), ...x!.chunk(chunks, -2), ...x!.split(sizes, 1)],
          torch: `[*x[0].split(${size}, 1), *x[0].chunk(${chunks}, -2), *x[0].split([${sizes}], 1)]`,
        };
      }),
      2 * RUNS,
    );
  });

  it("stack, transpose, squeeze, unsqueeze and unflatten", () => {
    const dim = fc.integer({ min: -4, max: 3 });
    return checkFamily(
      family(fc.record({ shape, dim, other: dim, at: fc.integer({ min: -5, max: 4 }) }), (geometry, N, draw) => {
        const { shape, dim, other, at } = geometry;
        return {
          inputs: [draw.uniform([N, ...shape]), draw.uniform([N, ...shape])],
          batched: [0, 1],
          wrt: [0, 1],
          build: ([x, y]) => [
            stack([x!, y!, x!], at),
            x!.transpose(dim, other),
            // a batch of 1 would vanish in PyTorch only
            x!.squeeze(dim === 0 || dim === -4 ? 1 : dim),
            x!.unsqueeze(at),
            F.unflatten(x!.flatten(1), 1, [shape[0], -1, shape[2]]),
          ],
          torch: `[
            torch.stack([x[0], x[1], x[0]], ${at}), x[0].transpose(${dim}, ${other}),
            x[0].squeeze(${dim === 0 || dim === -4 ? 1 : dim}), x[0].unsqueeze(${at}), x[0].reshape(x[0].shape),
          ]`,
        };
      }),
    );
  });

  it("expand broadcasts axes of size 1 and adds axes in front", () => {
    const geometry = fc.record({ shape: fc.tuple(upTo(3, 1), upTo(3, 1)), C: upTo(4, 1), front: upTo(2) });
    return checkFamily(
      family(geometry, ({ shape, C, front }, N, draw) => ({
        inputs: [draw.uniform([N, 1, ...shape])],
        build: ([x]) => x!.expand(...[2, 3].slice(0, front), -1, C, -1, shape[1]),
        torch: `x[0].expand(${[...[2, 3].slice(0, front), -1, C, -1, shape[1]]})`,
      })),
    );
  });
});

describe("arithmetic", () => {
  it("abs, pow, clamp, minimum, maximum and where", () =>
    checkFamily(
      family(shape, (shape, N, draw) => ({
        inputs: [draw.spaced([N, ...shape]), draw.uniform([1, ...shape], 0.01, 0.04)],
        wrt: [0, 1],
        build: ([x, y]) => [
          x!.abs(),
          x!.pow(2),
          y!.pow(-0.5),
          x!.clamp(-0.12, 0.31),
          x!.clamp(0.12),
          x!.clamp(undefined, 0.12),
          x!.minimum(y!),
          x!.maximum(0.02),
          x!.where(x!.gt(y!), x!.mul(y!)),
          x!.where(x!.le(0.12), 0.5),
        ],
        torch: `[
          x[0].abs(), x[0].pow(2), x[1].pow(-0.5), x[0].clamp(-0.12, 0.31), x[0].clamp(0.12), x[0].clamp(max=0.12),
          torch.minimum(x[0], x[1]), x[0].clamp(min=0.02), torch.where(x[0] > x[1], x[0], x[0] * x[1]),
          torch.where(x[0] <= 0.12, x[0], torch.full_like(x[0], 0.5)),
        ]`,
        smooth: false,
      })),
    ));

  it("comparisons and positions of the largest", () =>
    checkFamily(
      family(fc.record({ shape, dim: fc.integer({ min: -3, max: 3 }), keep: fc.boolean() }), (geometry, N, draw) => {
        const { shape, dim, keep } = geometry;
        const along = dim === 0 ? 1 : dim;
        return {
          inputs: [draw.integers([N, ...shape]), draw.integers([1, ...shape])],
          wrt: [],
          build: ([x, y]) => [
            x!.gt(y!).float(),
            x!.ge(1).float(),
            x!.lt(y!).float(),
            x!.le(-1).float(),
            x!.eq(y!).float(),
            x!.argmax(along, keep),
            x!.argmax(),
            x!.argmax(along).eq(1).float(),
          ],
          torch: `[
            (x[0] > x[1]).float(), (x[0] >= 1).float(), (x[0] < x[1]).float(), (x[0] <= -1).float(), (x[0] == x[1]).float(),
            torch.from_numpy(np.argmax(x[0].numpy(), ${along})).${keep ? `unsqueeze(${along})` : "clone()"},
            torch.tensor(int(np.argmax(x[0].numpy()))),
            torch.from_numpy(np.argmax(x[0].numpy(), ${along}) == 1).float(),
          ]`.replaceAll("np.", "__import__('numpy')."),
        };
      }),
    ));

  it("var, amax and amin over one axis, several or all", () =>
    checkFamily(
      family(
        fc.record({ shape: fc.tuple(upTo(4, 2), upTo(4, 2), upTo(4, 2)), keep: fc.boolean() }),
        (geometry, N, draw) => {
          const { shape, keep } = geometry;
          const flag = `keepdim=bool(${Number(keep)})`;
          return {
            inputs: [draw.spaced([N, ...shape])],
            build: ([x]) => [
              x!.var(1, { keepdim: keep }),
              x!.var([1, -1], { correction: 0, keepdim: keep }),
              x!.var(),
              x!.amax(-1, keep),
              x!.amax([1, 2], keep),
              x!.amin([0, 3], keep),
              x!.amin(),
            ],
            torch: `[
            x[0].var(1, ${flag}), x[0].var([1, -1], unbiased=False, ${flag}), x[0].var(), x[0].amax(-1, ${flag}),
            x[0].amax([1, 2], ${flag}), x[0].amin([0, 3], ${flag}), x[0].amin(),
          ]`,
          };
        },
      ),
    ));
});
