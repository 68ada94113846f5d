// Whether this process runs out of memory, of descriptors or of time, and what follows for connections and requests.
import { longestWaitMs } from '../http1/read-turns.ts';
import type { Log } from '../telemetry/logger.ts';
import type { Clock, Timer } from '../util/clock.ts';
import { areFilesUsedUp, collectGarbage, memoryReader, type MemoryReading } from './process-limits.ts';

export interface OverloadOptions {
  readonly memory: { readonly softRatio: number; readonly hardRatio: number };
  /** 0 = how late the loop is has no effect. */
  readonly loopDelayMs: number;
}

export interface OverloadParts {
  readonly clock: Clock;
  readonly options: OverloadOptions;
  readonly log: Log;
  readMemory(): MemoryReading;
  /** For how long a connection is not read though it may have asked; 0 where none waits. */
  longestWaitMs(nowMs: number): number;
  /** No descriptor is left. */
  areFilesUsedUp(): boolean;
  /** Collects garbage, all of it; takes a while. */
  collectGarbage(): void;
  /** Told at every look while the loop is late, and once when it is in time again. */
  onLate(isLate: boolean): void;
}

/** `soft`: answers end their connections. `hard`: requests beyond a few are refused. */
export const MEMORY_PRESSURES = ['none', 'soft', 'hard'] as const;

export type MemoryPressure = (typeof MEMORY_PRESSURES)[number];

const TICK_MS = 100;
/** Ticks in the window that has to be late from end to end: one garbage collection is no overload. */
const LATE_TICKS = 5;
/** Between two looks at memory and descriptors; a little less than ten ticks. */
const READ_EVERY_MS = 950;
/** A watermark is left this much below where it was reached. */
const HYSTERESIS = 0.05;
const COLLECT_EVERY_MS = 10_000;

/**
 * Looks ten times a second how late its own timer is, and for how long connections have waited for their turn, and once a second
 * at memory and descriptors; only while there is traffic, and until all is well again behind it. One writer: itself.
 */
export class Overload {
  pressure: MemoryPressure = 'none';
  /** The loop has been late for a while: there is more to do than time to do it. */
  isLate = false;
  /** No connection can be accepted or made. */
  areFilesUsedUp = false;
  /** What the last reading found, as the larger of both shares, 0..1; 0 before the first. */
  memoryRatio = 0;
  private readonly parts: OverloadParts;
  private timer: Timer | undefined = undefined;
  private dueMs = 0;
  private lateTicks = 0;
  private readAtMs = -Infinity;
  private collectedAtMs = -Infinity;
  private isBusy: () => boolean = () => false;

  constructor(parts: OverloadParts) {
    this.parts = parts;
  }

  /** True while it looks. */
  get isWatching(): boolean {
    return this.timer !== undefined;
  }

  /** There is traffic. @param isBusy asked whether there still is. */
  watch(isBusy: () => boolean): void {
    this.isBusy = isBusy;
    if (this.timer === undefined) this.arm();
  }

  close(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  private arm(): void {
    const { clock } = this.parts;
    this.dueMs = clock.now() + TICK_MS;
    this.timer = clock.setTimer(TICK_MS, this.tick);
  }

  private readonly tick = (): void => {
    this.timer = undefined;
    const nowMs = this.parts.clock.now();
    this.judgeLoop(Math.max(nowMs - this.dueMs, this.parts.longestWaitMs(nowMs)));
    if (nowMs - this.readAtMs >= READ_EVERY_MS) {
      this.readAtMs = nowMs;
      this.judgeMemory();
      this.judgeFiles();
    }
    if (this.isLate || this.areFilesUsedUp || this.pressure !== 'none' || this.isBusy()) this.arm();
  };

  private judgeLoop(lateMs: number): void {
    const { options, log } = this.parts;
    if (options.loopDelayMs === 0) return;
    this.lateTicks = lateMs >= options.loopDelayMs ? this.lateTicks + 1 : 0;
    const isLate = this.lateTicks >= (this.isLate ? 1 : LATE_TICKS);
    if (isLate || this.isLate) this.parts.onLate(isLate);
    if (isLate === this.isLate) return;
    this.isLate = isLate;
    if (isLate) log.warn('the event loop is late: few new connections are accepted', { lateMs: Math.round(lateMs) });
    else log.info('the event loop is in time again');
  }

  private judgeMemory(): void {
    const { clock, options, log } = this.parts;
    const { rssBytes, limitBytes, heapBytes, heapLimitBytes } = this.parts.readMemory();
    this.memoryRatio = Math.max(rssBytes / limitBytes, heapBytes / heapLimitBytes);
    const before = this.pressure;
    this.pressure = this.pressureOf(this.memoryRatio, options);
    if (this.pressure !== before) {
      const facts = { rssBytes, limitBytes, heapBytes, heapLimitBytes };
      if (this.pressure === 'none') log.info('memory is below its watermarks again', facts);
      else log.warn(`memory is above its ${this.pressure} watermark`, facts);
    }
    if (this.pressure !== 'hard' || clock.now() - this.collectedAtMs < COLLECT_EVERY_MS) return;
    this.collectedAtMs = clock.now();
    this.parts.collectGarbage();
  }

  private judgeFiles(): void {
    const before = this.areFilesUsedUp;
    this.areFilesUsedUp = this.parts.areFilesUsedUp();
    if (this.areFilesUsedUp === before) return;
    if (before) this.parts.log.info('there are file descriptors again');
    else this.parts.log.error('file descriptors are used up: no connection can be accepted or made');
  }

  private pressureOf(ratio: number, { memory }: OverloadOptions): MemoryPressure {
    const { softRatio, hardRatio } = memory;
    if (ratio >= hardRatio - (this.pressure === 'hard' ? HYSTERESIS : 0)) return 'hard';
    return ratio >= softRatio - (this.pressure === 'none' ? 0 : HYSTERESIS) ? 'soft' : 'none';
  }
}

/** As configured, for this process. @param onLate see `OverloadParts`. */
export function openOverload(
  options: OverloadOptions & { readonly memory: { readonly limitBytes?: number | undefined } },
  clock: Clock,
  log: Log,
  onLate: (isLate: boolean) => void,
): Overload {
  const readMemory = memoryReader(options.memory.limitBytes);
  return new Overload({ clock, options, log, readMemory, longestWaitMs, areFilesUsedUp, collectGarbage, onLate });
}
