// Keeps one `driver.follow` running for ever: back-off, silence, second reads. Knows nothing of what the lists mean.
import type { Clock, Timer } from '../util/clock.ts';
import { Backoff } from '../util/backoff.ts';
import type { Reading, RegistryDriver } from './driver.ts';
import { abortable, withDeadline } from './deadline.ts';
import { asRegistryError, keyText, RegistryError, type ServiceKey } from './types.ts';

/** What a follower tells its watcher. */
export interface FollowerEvents {
  reading(reading: Reading): void;
  /** The registry was heard, and told of no change. */
  heard(): void;
  /** The registry could not be heard; the follower tries again by itself. */
  lost(error: RegistryError): void;
  /** The answer to `secondRead()`. */
  secondReading(reading: Reading): void;
}

/** The first reconnect after a lost stream is spread over at most this long, in ms (REGISTRIES §2.6). */
const MAX_FIRST_RECONNECT_MS = 4_000;
/** A silence is counted in this many parts, so that a blocked event loop of ours counts as one part only. */
const SILENCE_PARTS = 5;

/** One service, followed. Ends with `close()`. */
export class Follower {
  private readonly driver: RegistryDriver;
  private readonly key: ServiceKey;
  private readonly clock: Clock;
  private readonly events: FollowerEvents;
  private readonly firstReconnectMs: number;
  private readonly backoff: Backoff;
  private readonly closing = new AbortController();
  private attempt = new AbortController();
  private silentParts = 0;
  private hasRead = false;
  private wake: Timer | undefined = undefined;
  private reading = false;

  /** @param ttlMs of registrations in this registry: bounds the spread of the first reconnect to a third of it. */
  constructor(driver: RegistryDriver, key: ServiceKey, clock: Clock, ttlMs: number, events: FollowerEvents) {
    this.driver = driver;
    this.key = key;
    this.clock = clock;
    this.events = events;
    this.firstReconnectMs = Math.min(MAX_FIRST_RECONNECT_MS, ttlMs / 3);
    this.backoff = new Backoff(clock);
  }

  start(): void {
    void this.run();
  }

  /** Abandons the running stream; a new one begins, with a whole list. */
  restart(reason: RegistryError): void {
    this.attempt.abort(reason);
  }

  /** Asks for one independent read, answered by `secondReading`, or by nothing where it fails; one at a time. */
  secondRead(): void {
    if (this.reading || this.closing.signal.aborted) return;
    this.reading = true;
    withDeadline(this.clock, this.driver.traits.callTimeoutMs, [this.closing.signal], (signal) =>
      this.driver.read(this.key, signal),
    ).then(
      (reading) => {
        this.reading = false;
        if (!this.closing.signal.aborted) this.events.secondReading(reading);
      },
      () => {
        this.reading = false; // The stream reports that the registry is away; the watcher asks again.
      },
    );
  }

  close(): void {
    this.closing.abort(new RegistryError('aborted', 'watch closed'));
    this.attempt.abort(this.closing.signal.reason);
    this.wake?.cancel();
  }

  private async run(): Promise<void> {
    this.attempt = new AbortController();
    const { signal } = this.attempt;
    this.hasRead = false;
    const silence = this.watchSilence(this.attempt);
    let error: RegistryError;
    try {
      await abortable(this.driver.follow(this.key, this.sinkOf(signal), signal), signal);
      error = new RegistryError('unavailable', `${keyText(this.key)}: the stream ended`);
    } catch (thrown) {
      error = asRegistryError(thrown, `${keyText(this.key)}: cannot be followed`);
    }
    silence.cancel();
    if (this.closing.signal.aborted) return;
    this.attempt.abort(error); // A driver that rejected on its own may still have something open.
    const delayMs = this.hasRead ? this.clock.random() * this.firstReconnectMs : this.backoff.nextMs();
    this.wake = this.clock.setTimer(delayMs, () => void this.run());
    this.events.lost(error);
  }

  private sinkOf(signal: AbortSignal): { reading(reading: Reading): void; alive(): void } {
    return {
      alive: () => {
        if (signal.aborted) return;
        this.silentParts = 0;
        this.events.heard();
      },
      reading: (reading) => {
        if (signal.aborted) return;
        this.silentParts = 0;
        // Only a list: a registry that answers nothing but refusals is heard as well, and has to be spared.
        this.hasRead = true;
        this.backoff.reset();
        this.events.reading(reading);
      },
    };
  }

  private watchSilence(attempt: AbortController): Timer {
    const { silenceMs } = this.driver.traits;
    if (!Number.isFinite(silenceMs)) return { cancel: () => undefined };
    this.silentParts = 0;
    const partMs = silenceMs / SILENCE_PARTS;
    let timer: Timer;
    const tick = (): void => {
      this.silentParts++;
      if (this.silentParts >= SILENCE_PARTS) {
        attempt.abort(new RegistryError('timeout', `${keyText(this.key)}: nothing heard for ${silenceMs} ms`));
      } else timer = this.clock.setTimer(partMs, tick);
    };
    timer = this.clock.setTimer(partMs, tick);
    return { cancel: () => timer.cancel() };
  }
}
