import { useEffect, useRef } from "preact/hooks";
import type { Picture } from "../training/protocol.ts";

interface Props {
  readonly picture: Picture;
  readonly label: string;
}

/** An image of a data set, pixel by pixel if it is small. */
export function Pixels({ picture: { width, height, rgba }, label }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    if (!canvas.current) return;
    Object.assign(canvas.current, { width, height });
    canvas.current.getContext("2d")!.putImageData(new ImageData(rgba, width, height), 0, 0);
  }, [width, height, rgba]);
  return <canvas ref={canvas} class={width <= 64 ? "is-small" : ""} role="img" aria-label={label} />;
}
