/** Long sums on the ranks that MPI has started. Rank 0 prints how many numbers came out wrong, and in how many sums. */
import { joinRanks } from "../../dist/bundle/node.js";

const [SUMS, FLOATS] = [2, 24_000_000];
const collective = await joinRanks();
const { rank, size } = collective;
const part = new Float32Array(FLOATS);
let wrong = 0;
for (let sum = 0; sum < SUMS; sum++) {
  for (let i = 0; i < FLOATS; i++) part[i] = (i % 1000) + rank + sum;
  await collective.allReduce([part]);
  const ranks = (size * (size - 1)) / 2;
  for (let i = 0; i < FLOATS; i++) if (part[i] !== size * ((i % 1000) + sum) + ranks) wrong++;
}
const all = await collective.gather(wrong);
if (rank === 0) console.log(JSON.stringify({ sums: SUMS, wrong: all.reduce((a, b) => a + b, 0) }));
await collective.close();
