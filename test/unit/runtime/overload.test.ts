import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Overload, type OverloadOptions } from '../../../src/runtime/overload.ts';
import { maxOpenFiles, memoryReader, roomFor } from '../../../src/runtime/process-limits.ts';
import type { Clock } from '../../../src/util/clock.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const OPTIONS: OverloadOptions = { memory: { softRatio: 0.8, hardRatio: 0.9 }, loopDelayMs: 200 };
const LOG = { level: 'info', debug: note, info: note, warn: note, error: note, fatal: note } as const;

let clock: FakeClock;
/** By how much each timer fires late. */
let lateMs: number;
let longestWaitMs: number;
let rssBytes: number;
let heapBytes: number;
let messages: string[];
let told: boolean[];
let collections: number;
let isBusy: boolean;
let areFilesUsedUp: boolean;
let overload: Overload;

function note(message: string): void {
  messages.push(message);
}

beforeEach(() => {
  clock = new FakeClock();
  [lateMs, longestWaitMs, rssBytes, heapBytes, collections] = [0, 0, 100, 100, 0];
  [messages, told] = [[], []];
  isBusy = true;
  areFilesUsedUp = false;
  const late: Clock = {
    now: () => clock.now(),
    wallMs: () => clock.wallMs(),
    random: () => clock.random(),
    setTimer: (delayMs, callback) => clock.setTimer(delayMs + lateMs, callback),
  };
  overload = new Overload({
    clock: late,
    options: OPTIONS,
    log: LOG as never,
    readMemory: () => ({ rssBytes, limitBytes: 1_000, heapBytes, heapLimitBytes: 1_000 }),
    longestWaitMs: () => longestWaitMs,
    areFilesUsedUp: () => areFilesUsedUp,
    collectGarbage: () => {
      collections++;
    },
    onLate: (isLate) => void told.push(isLate),
  });
  overload.watch(() => isBusy);
});

afterEach(() => {
  overload.close();
  expect(clock.timers).toBe(0);
});

describe('memory', () => {
  it('presses softly and hard at its watermarks, and lets go a little below them', async () => {
    const seen: string[] = [];
    for (const bytes of [790, 810, 760, 740, 910, 860, 840, 740]) {
      rssBytes = bytes;
      await clock.advance(1_000);
      seen.push(overload.pressure);
    }
    expect(seen).toEqual(['none', 'soft', 'soft', 'none', 'hard', 'hard', 'soft', 'none']);
    expect(messages).toHaveLength(5);
  });

  it('counts what V8 may still use, too', async () => {
    heapBytes = 950;
    await clock.advance(1_000);
    expect([overload.pressure, overload.memoryRatio]).toEqual(['hard', 0.95]);
  });

  it('has garbage collected above the hard watermark, every ten seconds at most', async () => {
    rssBytes = 950;
    await clock.advance(9_000);
    expect(collections).toBe(1);
    await clock.advance(10_000);
    expect(collections).toBe(2);
  });
});

describe('file descriptors', () => {
  it('are missed once, and found again once', async () => {
    areFilesUsedUp = true;
    await clock.advance(3_000);
    expect([overload.areFilesUsedUp, messages.length]).toEqual([true, 1]);
    areFilesUsedUp = false;
    await clock.advance(3_000);
    expect([overload.areFilesUsedUp, messages.length]).toEqual([false, 2]);
  });
});

describe('the event loop', () => {
  it('is late when every look of a while was late, not after one long turn', async () => {
    lateMs = 300;
    await clock.advance(500);
    expect(overload.isLate).toBe(false);
    lateMs = 0;
    await clock.advance(1_000);
    expect([overload.isLate, told]).toEqual([false, []]);
    lateMs = 300;
    await clock.advance(3_000);
    expect(overload.isLate).toBe(true);
    lateMs = 0;
    await clock.advance(1_000);
    expect([overload.isLate, told.at(-1)]).toEqual([false, false]);
    expect(messages).toHaveLength(2);
  });
});

describe('connections that wait for their turn', () => {
  it('are late as the loop would be that served them side by side', async () => {
    longestWaitMs = 300;
    await clock.advance(1_000);
    expect([overload.isLate, told.at(-1)]).toEqual([true, true]);
    longestWaitMs = 100;
    await clock.advance(1_000);
    expect([overload.isLate, told.at(-1)]).toEqual([false, false]);
  });
});

describe('looking', () => {
  it('ends when the traffic does, and goes on until all is well again', async () => {
    rssBytes = 950;
    await clock.advance(1_000);
    isBusy = false;
    await clock.advance(5_000);
    expect(overload.isWatching).toBe(true);
    rssBytes = 100;
    await clock.advance(2_000);
    expect([overload.isWatching, overload.pressure, clock.timers]).toEqual([false, 'none', 0]);
  });
});

describe('what this process may use', () => {
  it('is read from the system', () => {
    const { rssBytes: rss, limitBytes, heapBytes: heap, heapLimitBytes } = memoryReader(undefined)();
    expect(rss).toBeGreaterThan(0);
    expect(limitBytes).toBeGreaterThanOrEqual(rss);
    expect(heapLimitBytes).toBeGreaterThan(heap);
    expect(memoryReader(123)().limitBytes).toBe(123);
    expect(maxOpenFiles()).toBeGreaterThan(64);
  });

  it('leaves half of the descriptors to connections to instances', () => {
    expect(roomFor(10_000, 2, Infinity)).toEqual({ served: 10_000, refused: 256, isScarce: false });
    expect(roomFor(10_000, 2, 1_024)).toEqual({ served: 224, refused: 32, isScarce: true });
    expect(roomFor(10_000, 1, 1_024)).toEqual({ served: 448, refused: 64, isScarce: true });
    expect(roomFor(448, 1, 1_024)).toEqual({ served: 448, refused: 64, isScarce: false });
    expect(roomFor(10_000, 1, 10)).toEqual({ served: 1, refused: 1, isScarce: true });
  });

  it('is not exceeded by all connections of all listeners together', () => {
    for (const openFiles of [128, 256, 1_024, 20_000]) {
      for (const listeners of [1, 2]) {
        const { served, refused } = roomFor(1_000_000, listeners, openFiles);
        expect(listeners * (2 * served + refused)).toBeLessThanOrEqual(openFiles - 64);
      }
    }
  });
});
