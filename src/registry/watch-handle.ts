// One consumer's hold on a shared watcher.
import type { RegistryError, ServiceKey, ServiceView, Watch, WatchState, WatchStats } from './types.ts';

/** What all who watch one service share. */
export interface SharedWatcher {
  readonly key: ServiceKey;
  readonly current: ServiceView | undefined;
  readonly summary: Pick<Watch, 'state' | 'stalenessMs' | 'lastError' | 'stats'>;
  probeFailed(id: string): void;
}

/** What one consumer holds: its own end, everybody's state. */
export class WatchHandle implements Watch {
  readonly close: () => void;
  private readonly watcher: SharedWatcher;
  private readonly own: { readonly isClosed: boolean };

  constructor(watcher: SharedWatcher, own: { readonly isClosed: boolean }, close: () => void) {
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
