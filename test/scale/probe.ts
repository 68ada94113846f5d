// Loaded into the sidecar that is measured (`node --import`): sees each list arrive at its upstream, after the new picker is there.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { ServiceView } from '../../src/registry/types.ts';
import { Upstream } from '../../src/upstream/upstream.ts';
import { nowUs, STAMP, type Report, type Seen } from './figures.ts';
import { countSentRequests } from './sent-requests.ts';

const sizes = new Map<string, number>();
/** Stamps that were seen: a list is given whole, and most of it is not new. */
const known = new Map<string, string>();
let seen: Seen[] = [];
const loop = monitorEventLoopDelay({ resolution: 1 });
loop.enable();

// eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own `this` below
const apply = Upstream.prototype.apply;
Upstream.prototype.apply = function (this: Upstream, view: ServiceView): void {
  apply.call(this, view);
  sizes.set(this.name, view.snapshot.instances.length);
  const seenUs = nowUs();
  for (const { id, metadata } of view.snapshot.instances) {
    const at = metadata[STAMP];
    if (at === undefined || known.get(id) === at) continue;
    known.set(id, at);
    seen.push({ id, at, seenUs });
  }
};
const sentRequests = await countSentRequests(process.env['PILOTFISH_REGISTRY'] ?? '');
let sentBefore = 0;

process.on('message', (message) => {
  if (message === 'reset') {
    sentBefore = sentRequests();
    loop.reset();
  }
  const instances = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const loopP99Ms = loop.percentile(99) / 1e6;
  const requests = sentRequests() - sentBefore;
  process.send?.({ services: sizes.size, instances, seen, loopP99Ms, requests } satisfies Report);
  seen = [];
});
