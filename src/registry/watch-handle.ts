// One consumer's hold on a shared watcher.
import type { ServiceWatcher } from './service-watcher.ts';
import type { RegistryError, ServiceKey, ServiceView, Watch, WatchState, WatchStats } from './types.ts';

/** What one consumer holds: its own end, everybody's state. */
export class WatchHandle implements Watch {
  readonly close: () => void;
  private readonly watcher: ServiceWatcher;
  private readonly own: { readonly isClosed: boolean };

  constructor(watcher: ServiceWatcher, own: { readonly isClosed: boolean }, close: () => void) {
    this.watcher = watcher;
    this.own = own;
    this.close = close;
  }

  get key(): ServiceKey {
    return this.watcher.key;
  }

  get state(): WatchState {
    return this.own.isClosed ? 'closed' : this.watcher.summary.state;
  }

  get view(): ServiceView | undefined {
    return this.watcher.current;
  }

  get stalenessMs(): number {
    return this.watcher.summary.stalenessMs;
  }

  get lastError(): RegistryError | undefined {
    return this.watcher.summary.lastError;
  }

  get stats(): WatchStats {
    return this.watcher.summary.stats;
  }

  probeFailed(id: string): void {
    this.watcher.probeFailed(id);
  }
}
