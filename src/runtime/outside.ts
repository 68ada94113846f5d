// Hosts outside the registry that configuration lets through: each is an upstream with one endpoint, found by DNS when it is dialled.
import type { Handler, ProxyRequest, ProxyResponse } from '../http/message.ts';
import { serviceKey } from '../registry/types.ts';
import type { ServiceInstance } from '../registry/types.ts';
import type { UpstreamOptions } from '../upstream/options.ts';
import { Upstream } from '../upstream/upstream.ts';
import type { UpstreamContext, WatchService } from '../upstream/upstream.ts';

/** Host and port pairs kept open; a name that is let through with any port could be called with all of them. */
const MAX_OPEN = 256;

export interface OutsideContext extends Omit<UpstreamContext, 'watch'> {
  readonly options: UpstreamOptions;
  /** Builds the layers around an upstream; it must not say `x-pilotfish-to` to strangers. */
  readonly call: (upstream: Upstream) => Handler;
}

/** Opens upstreams as they are called; the one opened first makes room. */
export class Outside {
  private readonly context: OutsideContext;
  private readonly open = new Map<string, { readonly upstream: Upstream; readonly handle: Handler }>();

  constructor(context: OutsideContext) {
    this.context = context;
  }

  /** @param host a name that configuration lets through: it labels metrics and logs. */
  handle(host: string, port: number, request: ProxyRequest): Promise<ProxyResponse> {
    const address = `${host}:${port}`;
    let entry = this.open.get(address);
    if (entry === undefined) {
      this.makeRoom();
      const key = serviceKey(host);
      const identity = { name: host, key, options: this.context.options, isKnown: true };
      const upstream = new Upstream(identity, { ...this.context, watch: fixedWatch(address, host, port) });
      entry = { upstream, handle: this.context.call(upstream) };
      this.open.set(address, entry);
    }
    request.upstream = host;
    return entry.handle(request);
  }

  close(): void {
    for (const { upstream } of this.open.values()) upstream.close();
  }

  private makeRoom(): void {
    const [first] = this.open;
    if (this.open.size < MAX_OPEN || first === undefined) return;
    this.open.delete(first[0]);
    first[1].upstream.close();
  }
}

/** A list that never changes. */
function fixedWatch(id: string, host: string, port: number): WatchService {
  return (key, options) => {
    const instance: ServiceInstance = {
      key,
      id,
      host: host.startsWith('[') ? host.slice(1, -1) : host,
      port,
      protocol: 'http',
      weight: 100,
      tags: [],
      metadata: {},
      health: 'passing',
      enabled: true,
    };
    const snapshot = {
      key,
      instances: [instance],
      rejected: [],
      revision: '',
      epoch: '',
      observedAtMs: 0,
      origin: 'static' as const,
    };
    queueMicrotask(() => options.onView?.({ snapshot, suspects: new Set(), flapping: new Set() }));
    return { stalenessMs: 0, lastError: undefined, probeFailed: () => undefined, close: () => undefined };
  };
}
