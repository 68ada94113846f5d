// All who watch one service: told one after the other, and none by the others' faults.
import type { RegistryError, ServiceView, WatchOptions, WatchState } from './types.ts';

export class WatchListeners {
  /** Calls of theirs that threw. */
  errors = 0;
  private readonly onError: (error: unknown) => void;
  private readonly all = new Set<WatchOptions>();

  /** @param onError told what one of them threw. */
  constructor(onError: (error: unknown) => void) {
    this.onError = onError;
  }

  add(one: WatchOptions): void {
    this.all.add(one);
  }

  /** @returns whether that was the last one. */
  delete(one: WatchOptions): boolean {
    return this.all.delete(one) && this.all.size === 0;
  }

  clear(): void {
    this.all.clear();
  }

  tellView(view: ServiceView): void {
    for (const one of [...this.all]) this.tellViewTo(one, view);
  }

  tellState(state: WatchState, reason: RegistryError | undefined): void {
    for (const one of [...this.all]) this.tellStateTo(one, state, reason);
  }

  /** Without effect where it watches no more. */
  tellViewTo(one: WatchOptions, view: ServiceView): void {
    if (this.all.has(one)) this.guarded(() => one.onView?.(view));
  }

  /** Likewise. */
  tellStateTo(one: WatchOptions, state: WatchState, reason: RegistryError | undefined): void {
    if (this.all.has(one)) this.guarded(() => one.onState?.(state, reason));
  }

  private guarded(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.errors++;
      this.onError(error);
    }
  }
}
