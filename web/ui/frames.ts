/** Drawing that can wait a moment: one piece in a frame, since several at once keep the page from answering. */
const waiting = new Map<object, () => void>();

function next(): void {
  const [first] = waiting;
  if (!first) return;
  waiting.delete(first[0]);
  if (waiting.size > 0) ask();
  first[1]();
}

// a hidden page has no frames
const ask = () => (document.hidden ? setTimeout(next) : requestAnimationFrame(next));

/** Draws in a frame of its own, after what waits already. Of several drawings of one `key` that wait, the last one counts. */
export function inOwnFrame(key: object, draw: () => void): void {
  if (waiting.size === 0) ask();
  waiting.set(key, draw);
}
