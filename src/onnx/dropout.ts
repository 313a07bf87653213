import { check, type Value } from "../graph/index.ts";
import { type DropoutOptions, Tensor, Tracer } from "../nn/index.ts";

/** What a dropout drops as one: single elements, channels of an image, or whole images. */
export type Dropped = "elements" | "channels" | "images";

/** Traces the evaluation form with dropout as nodes, which pass their input on, so that what is made of the graph can be trained. */
export class DropoutTracer extends Tracer {
  /** What each dropout drops, by its output. */
  readonly dropped = new Map<Value, Dropped>();

  override dropout(x: Tensor, p: number, { shape = x.shape }: DropoutOptions = {}): Tensor {
    if (p === 0) return x;
    const value = this.ops.one("Dropout", [x.value, this.ops.scalar(p)]);
    const kept = shape.filter((size, axis) => size !== 1 || x.shape[axis] === 1).length;
    this.dropped.set(value, kept === x.shape.length ? "elements" : kept === 2 ? "channels" : "images");
    return new Tensor(value, this);
  }

  /** Throws where ONNX's operator, which drops single elements, would do something else. */
  checkElements(who: string): void {
    for (const [{ name }, dropped] of this.dropped)
      check(
        dropped === "elements",
        () => `${who}: ${name} drops whole ${dropped}, which ONNX has no operator for; use Dropout, or export without`,
      );
  }
}
