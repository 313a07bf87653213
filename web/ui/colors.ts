/** Colors of numbers. */
export { colorScale, diverging, viridis } from "convnets/draw";
