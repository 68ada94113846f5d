// Connections of one upstream, over all endpoints that it ever had: how many are open, and why others no longer are.

/**
 * Why a connection was closed. `peer`: by the other end, while idle. `exchange`: with the exchange on it, because the answer
 * said so or because it failed. `idle-timeout`, `max-age`: by us, for these options. `excess`: by us, to keep to `maxIdle`
 * or to make room. `drain`: its endpoint has left.
 */
export const CLOSE_REASONS = ['peer', 'exchange', 'idle-timeout', 'max-age', 'excess', 'drain'] as const;

export type CloseReason = (typeof CLOSE_REASONS)[number];

/** Written by the pools of the upstream, read by metrics and the admin view. */
export class ConnectionCounts {
  open = 0;
  /** Since the start. */
  opened = 0;
  /** Requests that met a connection which had been closed while it was idle, and were sent again on a fresh one. */
  stale = 0;
  readonly closed: Record<CloseReason, number> = {
    peer: 0,
    exchange: 0,
    'idle-timeout': 0,
    'max-age': 0,
    excess: 0,
    drain: 0,
  };

  onOpened(): void {
    this.open++;
    this.opened++;
  }

  onClosed(reason: CloseReason): void {
    this.open--;
    this.closed[reason]++;
  }
}
