// Loaded into the sidecar that is measured (`node --import`): sees each list arrive at its upstream, after the new picker is there.
import { subscribe } from 'node:diagnostics_channel';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { ServiceView } from '../../src/registry/types.ts';
import { Upstream } from '../../src/upstream/upstream.ts';
import { nowUs, STAMP, type Report, type Seen } from './figures.ts';

const sizes = new Map<string, number>();
/** Stamps that were seen: a list is given whole, and most of it is not new. */
const known = new Map<string, string>();
let seen: Seen[] = [];
let requests = 0;
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
subscribe('undici:request:create', () => requests++);
if (process.env['PILOTFISH_REGISTRY']?.startsWith('nacos:') === true) {
  const { Client } = await import('@grpc/grpc-js'); // Others are measured without it.
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own `this` below
  const call = Client.prototype.makeUnaryRequest;
  Client.prototype.makeUnaryRequest = function (this: InstanceType<typeof Client>, ...args: Parameters<typeof call>) {
    requests++;
    return call.apply(this, args);
  } as typeof call;
}

process.on('message', (message) => {
  if (message === 'reset') {
    requests = 0;
    loop.reset();
  }
  const instances = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const loopP99Ms = loop.percentile(99) / 1e6;
  process.send?.({ services: sizes.size, instances, seen, loopP99Ms, requests } satisfies Report);
  seen = [];
});
