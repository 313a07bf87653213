/**
 * PyTorch's layers, with its names, options, defaults and initial weights. Axes: N batch, C (or O) channels, H height, W width.
 * Sizes are in pixels. Constructors throw for arguments and options that are unknown or of the wrong type.
 */
export * from "./activation.ts";
export * from "./containers.ts";
export * from "./convolution.ts";
export * from "./dropout.ts";
export * from "./layer.ts";
export * from "./linear.ts";
export * from "./normalization.ts";
export * from "./padding.ts";
export * from "./pooling.ts";
export * from "./resampling.ts";
export * from "./reshaping.ts";
