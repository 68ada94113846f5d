// HOT PATH. Writes put off to the end of a turn of the loop, where they are made one right after the other: each wakes
// whoever reads it, which costs more than all else of a small message, and costs little where he is still awake from the last.

/** Something with collected output. */
export interface Flushable {
  /** Writes it; called once for each `flushAtEndOfTurn`. Must not throw. */
  flush(): void;
}

/** More are not kept waiting for the end of a turn in which much is to be done. */
const MAX_WAITING = 32;

let waiting: Flushable[] = [];
let isScheduled = false;
let turn = 0;

/** Differs between turns of the loop in which something was written. */
export function turnOfLoop(): number {
  return turn;
}

/** `one.flush()` is called when this turn of the loop has seen all that came in, or earlier where much is written; never at once. */
export function flushAtEndOfTurn(one: Flushable): void {
  if (waiting.length === MAX_WAITING) flushAll();
  waiting.push(one);
  if (isScheduled) return;
  isScheduled = true;
  setImmediate(onEndOfTurn);
}

function onEndOfTurn(): void {
  isScheduled = false;
  turn++;
  flushAll();
}

function flushAll(): void {
  const all = waiting;
  waiting = [];
  for (const one of all) one.flush();
}
