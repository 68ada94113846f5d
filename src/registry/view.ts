// Turns what is believed of a service into the immutable view that consumers get, keeping the objects that did not change.
import type { Difference } from './by-id.ts';
import { sameInstance } from './record.ts';
import type { ServiceView, Snapshot } from './types.ts';

type Rejection = Snapshot['rejected'][number];

/**
 * The next view; the previous one itself where nothing changed that anybody could act on.
 * @param changed what differs from the previous view's list.
 */
export function nextView(
  previous: ServiceView | undefined,
  changed: readonly Difference[],
  { snapshot, suspects, flapping }: ServiceView,
): ServiceView {
  if (previous === undefined) return { snapshot, suspects, flapping };
  const same = changed.filter(
    ({ before, now }) => before !== undefined && now !== undefined && sameInstance(before, now),
  );
  if (
    same.length === changed.length &&
    previous.snapshot.origin === snapshot.origin &&
    previous.snapshot.epoch === snapshot.epoch &&
    sameSet(previous.suspects, suspects) &&
    sameSet(previous.flapping, flapping) &&
    sameRejections(previous.snapshot.rejected, snapshot.rejected)
  ) {
    return previous;
  }
  if (same.length === 0) return { snapshot, suspects, flapping };
  const instances = [...snapshot.instances];
  for (const { before, nowAt } of same) if (before !== undefined) instances[nowAt] = before;
  return { snapshot: { ...snapshot, instances }, suspects, flapping };
}

function sameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  if (a.size !== b.size) return false;
  for (const value of a) if (!b.has(value)) return false;
  return true;
}

function sameRejections(a: readonly Rejection[], b: readonly Rejection[]): boolean {
  return a.length === b.length && a.every((entry, i) => entry.ref === b[i]?.ref && entry.reason === b[i].reason);
}
