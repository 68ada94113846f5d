// The clock that the processes of a run share.

/** ms since 1970, as exact as the clock of the process. */
export function epochMs() {
  return performance.timeOrigin + performance.now();
}
