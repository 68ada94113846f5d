// HOT PATH. Where very many connections ask at once, they are read in turns: a few in each turn of the loop, the others later.
//
// Serving all of them side by side means that each step of a request meets memory which thousands of others have pushed out of
// the processor's caches since the step before, that the collector finds thousands of requests half done, and that a new connection
// is accepted only every so often: one in each turn of the loop. What it comes to is block G of `npm run bench`.
import { turnOfLoop } from '../util/end-of-turn.ts';

/** A connection that has answered a request and may read the next one. */
export interface InTurn {
  /** Its turn has come. */
  onTurn(): void;
}

/** More answers than this in one turn of the loop: connections begin to take turns. As long as more than this wait, they go on. */
const CROWD = 256;
/** Connections whose turn comes in one turn of the loop. */
const AT_ONCE = 32;
/** So many places of those whose turn has come are kept before the queue is moved up. */
const MAX_PASSED = 1_024;

let waiting: InTurn[] = [];
/** Since when, monotonic ms. */
let sinceMs: number[] = [];
/** Of them, those whose turn has come. */
let passed = 0;
let isScheduled = false;
let countedTurn = -1;
let answered = 0;

/** True where `one` is to read nothing until `onTurn` is called: once, in the order of these calls. @param nowMs monotonic */
export function hasToWait(one: InTurn, nowMs: number): boolean {
  if (waiting.length === 0 && !isCrowded()) return false;
  waiting.push(one);
  sinceMs.push(nowMs);
  if (!isScheduled) schedule();
  return true;
}

/** For how long the first of those that wait has waited; 0 where nobody does. */
export function longestWaitMs(nowMs: number): number {
  return nowMs - (sinceMs[passed] ?? nowMs);
}

function isCrowded(): boolean {
  const turn = turnOfLoop();
  if (turn !== countedTurn) {
    countedTurn = turn;
    answered = 0;
  }
  return ++answered > CROWD;
}

function schedule(): void {
  isScheduled = true;
  setImmediate(callNext);
}

function callNext(): void {
  isScheduled = false;
  const left = waiting.length - passed;
  const end = passed + (left > CROWD ? AT_ONCE : left);
  while (passed < end) waiting[passed++]?.onTurn();
  if (passed === waiting.length) {
    waiting = [];
    sinceMs = [];
    passed = 0;
    return;
  }
  if (passed >= MAX_PASSED) {
    waiting = waiting.slice(passed);
    sinceMs = sinceMs.slice(passed);
    passed = 0;
  }
  schedule();
}
