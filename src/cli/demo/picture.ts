// What the demo shows: a live picture in a terminal, plain lines elsewhere.
import type { LoadTotals } from './load.ts';

/** One copy as the demo's script knows it. */
export interface CopyView {
  readonly name: string;
  readonly state: string;
}

export interface Frame {
  readonly elapsedMs: number;
  readonly totalMs: number;
  readonly totals: LoadTotals;
  /** Answers in the last interval, per second: of all, and of each copy. */
  readonly perSecond: number;
  readonly copyPerSecond: ReadonlyMap<string, number>;
  readonly copies: readonly CopyView[];
  readonly events: readonly string[];
}

const WIDTH = 40;
const REDRAW = '\u001b[H\u001b[J';

/** The whole screen, drawn anew. */
export function screen(frame: Frame): string {
  const { totals } = frame;
  const peak = Math.max(1, ...frame.copyPerSecond.values());
  const rows = frame.copies.map((copy) => {
    const rate = frame.copyPerSecond.get(copy.name) ?? 0;
    const bar = '█'.repeat(Math.round((WIDTH * rate) / peak)).padEnd(WIDTH, '·');
    return `  ${copy.name.padEnd(10)} ${copy.state.padEnd(10)} ${bar} ${rate.toFixed(0).padStart(4)}/s`;
  });
  return [
    `${REDRAW}Pilotfish demo   client ─▶ sidecar ─▶ sidecar ─▶ orders    ${seconds(frame.elapsedMs)} of ${seconds(frame.totalMs)}`,
    '',
    ...rows,
    '',
    `  ${frame.perSecond.toFixed(0)} answers/s   ${totals.ok} ok   ${totals.failed} failed   p50 ${totals.p50Ms.toFixed(1)} ms   p99 ${totals.p99Ms.toFixed(1)} ms`,
    '',
    ...frame.events.slice(-8).map((event) => `  ${event}`),
    '',
  ].join('\n');
}

/** One line for where no screen can be drawn. */
export function line(frame: Frame): string {
  const copies = frame.copies
    .map((copy) => `${copy.name} ${copy.state} ${(frame.copyPerSecond.get(copy.name) ?? 0).toFixed(0)}/s`)
    .join(', ');
  return `${seconds(frame.elapsedMs)}  ${frame.perSecond.toFixed(0)} answers/s, ${frame.totals.failed} failed; ${copies}\n`;
}

/** What happened, in all. */
export function summary(totals: LoadTotals): string {
  const failures = [...totals.failures].map(([what, count]) => `  ${count} × ${what}`);
  return [
    '',
    `${totals.sent} requests by name (half GET, half PUT): ${totals.ok} ok, ${totals.failed} failed`,
    ...failures,
    `latency p50 ${totals.p50Ms.toFixed(1)} ms, p99 ${totals.p99Ms.toFixed(1)} ms, max ${totals.maxMs.toFixed(1)} ms`,
    `answered by ${[...totals.byCopy]
      .map(([copy, count]) => `${copy} ${count}`)
      .sort()
      .join(', ')}`,
    totals.failed === 0 && totals.ok > 0
      ? 'One copy killed, one started, one drained: nobody noticed.'
      : 'Requests failed: this is not what Pilotfish promises.',
    '',
  ].join('\n');
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(0).padStart(3)} s`;
}
