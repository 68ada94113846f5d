// A process of its own that registers or watches, told by JSON lines on stdin what to do, telling by JSON lines what happens.
import { createInterface } from 'node:readline';
import { openRegistry, type RegistrySelection } from '../../adapters/index.ts';
import type { RegistrationHandle, ServiceInstance, ServiceKey } from '../../src/registry/types.ts';

/** What an actor can be told. */
export type Order =
  | { readonly do: 'register'; readonly instances: readonly ServiceInstance[]; readonly ttlMs: number }
  | { readonly do: 'watch'; readonly key: ServiceKey }
  | { readonly do: 'block'; readonly forMs: number }
  | { readonly do: 'measure' }
  | { readonly do: 'close' };

/** What an actor tells. */
export type News =
  | { readonly news: 'ready' }
  | { readonly news: 'registration'; readonly id: string; readonly state: string; readonly reason?: string }
  | { readonly news: 'watch'; readonly service: string; readonly state: string; readonly reason?: string }
  | { readonly news: 'view'; readonly service: string; readonly ids: readonly string[] }
  | { readonly news: 'measured'; readonly cpuMs: number; readonly rssBytes: number; readonly sockets: number }
  | { readonly news: 'left'; readonly id: string; readonly how: string };

/** Time for watchers to read the mark of who leaves, in ms: that of a push, or of a poll. */
const SETTLE_MS = { push: 100, poll: 5_500 } as const;

function tell(news: News): void {
  process.stdout.write(`${JSON.stringify(news)}\n`);
}

const registry = await openRegistry(JSON.parse(process.argv[2] ?? '{}') as RegistrySelection, { allowLoopback: true });
const handles: RegistrationHandle[] = [];

function obey(order: Order): void {
  switch (order.do) {
    case 'register':
      for (const instance of order.instances) {
        const handle = registry.register({ instance, ttlMs: order.ttlMs });
        handle.onState((state, reason) =>
          tell({ news: 'registration', id: instance.id, state, ...(reason ? { reason: reason.kind } : {}) }),
        );
        handles.push(handle);
      }
      break;
    case 'watch': {
      const { service } = order.key;
      registry.watch(order.key, {
        onView: (view) => tell({ news: 'view', service, ids: view.snapshot.instances.map(({ id }) => id) }),
        onState: (state, reason) => tell({ news: 'watch', service, state, ...(reason ? { reason: reason.kind } : {}) }),
      });
      break;
    }
    case 'block':
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, order.forMs); // Idle: others need the processor.
      break;
    case 'measure': {
      const { user, system } = process.cpuUsage();
      const sockets = process.getActiveResourcesInfo().filter((name) => /TCP|UDP|FSEvent/.test(name)).length;
      tell({ news: 'measured', cpuMs: (user + system) / 1_000, rssBytes: process.memoryUsage().rss, sockets });
      break;
    }
    case 'close':
      lines.close();
      process.stdin.destroy();
      void registry.close();
      break;
  }
}

process.on('SIGTERM', () => {
  const settleMs = SETTLE_MS[registry.capabilities.watch === 'poll' ? 'poll' : 'push'];
  void Promise.all(
    handles.map(async (handle) => {
      const how = await handle.deregister({ deadlineMs: 2_000 + settleMs, settleMs });
      tell({ news: 'left', id: handle.instance.id, how });
    }),
  ).then(() => {
    lines.close(); // Not before: it is what keeps this process alive.
    process.stdin.destroy();
    return registry.close();
  });
});

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => obey(JSON.parse(line) as Order));
tell({ news: 'ready' });
