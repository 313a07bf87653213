/** Sample pictures, drawn when they are needed: something for edges, colors, textures, and a face to find. */

type Context = CanvasRenderingContext2D;
type Draw = (context: Context, side: number) => void;

function gradient(context: Context, side: number, colors: readonly string[]): CanvasGradient {
  const made = context.createLinearGradient(0, 0, 0, side);
  for (const [i, color] of colors.entries()) made.addColorStop(i / (colors.length - 1), color);
  return made;
}

function ellipse(context: Context, color: string, [x, y, rx, ry, turn = 0]: readonly number[]): void {
  context.fillStyle = color;
  context.beginPath();
  context.ellipse(x!, y!, rx!, ry!, turn, 0, 2 * Math.PI);
  context.fill();
}

function shape(context: Context, color: string | CanvasGradient, points: readonly (readonly [number, number])[]): void {
  context.fillStyle = color;
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.closePath();
  context.fill();
}

/** In a square of 100. */
const scaled =
  (draw: (context: Context) => void): Draw =>
  (context, side) => {
    context.save();
    context.scale(side / 100, side / 100);
    draw(context);
    context.restore();
  };

const cat = scaled((c) => {
  c.fillStyle = gradient(c, 100, ["#bfd9d2", "#8fb7b3"]);
  c.fillRect(0, 0, 100, 100);
  ellipse(c, "#5d8884", [50, 98, 46, 10]);
  ellipse(c, "#d98a45", [50, 92, 27, 30]);
  for (const side of [-1, 1]) {
    shape(c, "#d98a45", [
      [50 + side * 28, 14],
      [50 + side * 6, 30],
      [50 + side * 29, 46],
    ]);
    shape(c, "#f0b7a0", [
      [50 + side * 25, 20],
      [50 + side * 11, 31],
      [50 + side * 26, 40],
    ]);
  }
  ellipse(c, "#e39a52", [50, 49, 30, 26]);
  c.strokeStyle = "#a55f27";
  c.lineWidth = 2.6;
  c.lineCap = "round";
  for (const [x, y, to] of [
    [50, 25, 36],
    [43, 26, 35],
    [57, 26, 35],
    [50, 78, 88],
    [40, 80, 90],
    [60, 80, 90],
  ] as const) {
    c.beginPath();
    c.moveTo(x, y);
    c.lineTo(x, to);
    c.stroke();
  }
  for (const side of [-1, 1]) {
    ellipse(c, "#f7f3d2", [50 + side * 12, 46, 6.6, 6.2]);
    ellipse(c, "#8fae3c", [50 + side * 12, 46, 5.4, 5.6]);
    ellipse(c, "#141414", [50 + side * 12, 46, 1.9, 5]);
    ellipse(c, "#ffffff", [51.6 + side * 12, 43.6, 1.2, 1.2]);
    ellipse(c, "#f6e3cd", [50 + side * 6, 60, 8.5, 6.5]);
  }
  shape(c, "#b8574e", [
    [46, 54],
    [54, 54],
    [50, 59],
  ]);
  c.strokeStyle = "#fffaf2";
  c.lineWidth = 0.7;
  for (const side of [-1, 1])
    for (const tilt of [-5, 0, 5]) {
      c.beginPath();
      c.moveTo(50 + side * 12, 60 + tilt / 4);
      c.quadraticCurveTo(50 + side * 26, 58 + tilt, 50 + side * 38, 60 + tilt * 1.4);
      c.stroke();
    }
});

const landscape = scaled((c) => {
  c.fillStyle = gradient(c, 70, ["#2f5f9e", "#7fb0d8", "#f6d9a8"]);
  c.fillRect(0, 0, 100, 100);
  ellipse(c, "#fff3cf", [72, 34, 9, 9]);
  shape(c, "#6f7f9c", [
    [-5, 70],
    [18, 34],
    [34, 56],
    [52, 28],
    [78, 62],
    [105, 46],
    [105, 80],
    [-5, 80],
  ]);
  shape(c, "#f4f6fa", [
    [18, 34],
    [24, 43],
    [19, 46],
    [15, 42],
    [12, 44],
  ]);
  shape(c, "#f4f6fa", [
    [52, 28],
    [60, 40],
    [54, 43],
    [49, 38],
    [44, 42],
  ]);
  c.fillStyle = gradient(c, 100, ["#4d7a4c", "#4d7a4c", "#2e5936"]);
  c.beginPath();
  c.moveTo(0, 66);
  c.bezierCurveTo(30, 54, 60, 76, 100, 62);
  c.lineTo(100, 100);
  c.lineTo(0, 100);
  c.fill();
  for (const [x, y, size] of [
    [12, 78, 13],
    [24, 86, 17],
    [84, 80, 14],
    [93, 90, 18],
    [70, 84, 9],
  ] as const) {
    shape(c, "#5a4030", [
      [x - 1, y],
      [x + 1, y],
      [x + 1, y + 5],
      [x - 1, y + 5],
    ]);
    for (const level of [0, 1, 2]) {
      const top = y - size + (level * size) / 3.4;
      const half = (size / 5) * (1 + level * 0.45);
      shape(c, level === 1 ? "#1f4d33" : "#245a3a", [
        [x, top],
        [x + half, top + size / 2],
        [x - half, top + size / 2],
      ]);
    }
  }
});

const shapes = scaled((c) => {
  c.fillStyle = "#f2efe8";
  c.fillRect(0, 0, 100, 100);
  for (let i = 0; i < 64; i++)
    if ((i + Math.floor(i / 8)) % 2 === 0) {
      c.fillStyle = "#1f2937";
      c.fillRect(6 + (i % 8) * 5, 6 + Math.floor(i / 8) * 5, 5, 5);
    }
  ellipse(c, "#d1432f", [74, 26, 19, 19]);
  ellipse(c, "#f2efe8", [74, 26, 8, 8]);
  shape(c, "#2f6fb5", [
    [28, 56],
    [49, 93],
    [7, 93],
  ]);
  c.strokeStyle = "#2f8f5b";
  for (let i = 0; i < 7; i++) {
    c.lineWidth = 0.6 + i * 0.45;
    c.beginPath();
    c.moveTo(58 + i * 6, 56);
    c.lineTo(54 + i * 6, 94);
    c.stroke();
  }
});

/** Rings that get finer outwards: every frequency in every direction. */
const rings: Draw = (context, side) => {
  const image = context.createImageData(side, side);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      const [dx, dy] = [x / side - 0.5, y / side - 0.5];
      const value = 127.5 + 120 * Math.cos(220 * (dx * dx + dy * dy));
      const hue = Math.atan2(dy, dx);
      const at = 4 * (y * side + x);
      image.data[at] = value * (0.82 + 0.18 * Math.cos(hue));
      image.data[at + 1] = value * (0.82 + 0.18 * Math.cos(hue - 2.1));
      image.data[at + 2] = value * (0.82 + 0.18 * Math.cos(hue + 2.1));
      image.data[at + 3] = 255;
    }
  context.putImageData(image, 0, 0);
};

export const SAMPLES = { cat, landscape, shapes, rings } as const satisfies Record<string, Draw>;
export type SampleName = keyof typeof SAMPLES;
