import type { Node } from "../../graph/index.ts";

/** Whether three operators in a row deal the channels out over groups (Zhang et al. 2017), as `F.channelShuffle` writes it. */
export function isChannelShuffle([apart, swap, joined]: readonly Node[]): boolean {
  return (
    `${apart?.op} ${swap?.op} ${joined?.op}` === "Reshape Transpose Reshape" &&
    swap!.inputs[0] === apart!.outputs[0] &&
    joined!.inputs[0] === swap!.outputs[0] &&
    String(swap!.attributes.perm) === "0,2,1,3,4" &&
    String(apart!.inputs[0]?.shape) === String(joined!.outputs[0]?.shape)
  );
}
