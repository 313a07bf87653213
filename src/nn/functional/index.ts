/**
 * PyTorch's functions over traced tensors, for networks that hold their weights themselves. Axes: N batch, C (or O) channels,
 * H height, W width. Sizes are in pixels. All throw for unknown options, values of the wrong type, and shapes that do not fit.
 */
export * from "./activation.ts";
export * from "./convolution.ts";
export { dropout, dropout2d, stochasticDepth } from "./dropout.ts";
export * from "./normalization.ts";
export * from "./padding.ts";
export * from "./pooling.ts";
export * from "./resampling.ts";
