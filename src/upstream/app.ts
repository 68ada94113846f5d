// Our own app behind the inbound listener: one fixed endpoint, no ejection, no attempt deadline, retries for a refused connect only, no breaker.
import type { Picker } from '../balancer/picker.ts';
import { ProxyError } from '../errors.ts';
import type { ServiceInstance, ServiceKey } from '../registry/types.ts';
import type { Clock } from '../util/clock.ts';
import type { Connect } from './connect.ts';
import { Endpoint } from './endpoint.ts';
import { AttemptTally } from './failure-share.ts';
import type { ForwardTarget } from './forward-target.ts';
import { NO_LIMITS, UPSTREAM_DEFAULTS, type ConnectOptions, type UpstreamOptions } from './options.ts';
import { PickQueue } from './pick-queue.ts';
import { UpstreamLoad } from './upstream-load.ts';

export interface AppOptions {
  readonly key: ServiceKey;
  readonly host: string;
  readonly port: number;
  /** What the health check says now; false: requests are refused with PF_APP_DOWN, at once. */
  readonly isUp: () => boolean;
  readonly connect?: ConnectOptions;
}

/** The bounds of an app's answers are its callers': a long poll that they allow must not end here. */
const TIMEOUT = {
  requestMs: 0,
  attemptMs: 0,
  hang: 'off',
  stallMs: 0,
  idleMs: UPSTREAM_DEFAULTS.timeout.idleMs,
} as const;
const RETRY_ON = { connect: true, resetBeforeResponse: false, attemptTimeout: false, statuses: [] };

/** What cannot be sent to the app was not executed, and callers are told so (PF_APP_DOWN): they try another copy. */
export class App implements ForwardTarget {
  readonly options: UpstreamOptions;
  readonly endpoint: Endpoint;
  readonly picker: Picker<Endpoint>;
  readonly queue: PickQueue;
  readonly hangs = undefined;
  /** Its idle connections are ours: that it closed one is no failure that its callers should hear of. */
  readonly resendsStale = true;
  readonly load: UpstreamLoad;
  readonly outlook = { failingForMs: 0, hasOtherThan: () => false };

  constructor(options: AppOptions, clock: Clock, connect: Connect) {
    const { key, host, port, isUp } = options;
    this.options = {
      ...UPSTREAM_DEFAULTS,
      connect: options.connect ?? UPSTREAM_DEFAULTS.connect,
      timeout: TIMEOUT,
      retry: { ...UPSTREAM_DEFAULTS.retry, on: RETRY_ON },
      breaker: { ...UPSTREAM_DEFAULTS.breaker, enabled: false },
    };
    this.load = new UpstreamLoad(key.service, NO_LIMITS);
    this.queue = new PickQueue(this.load);
    this.endpoint = new Endpoint(recordOf(key, host, port), this.options, clock, connect, {
      load: this.load,
      attempts: new AttemptTally(),
      onSettled: () => undefined,
    });
    this.endpoint.isRegistered = false;
    const picked = { kind: 'picked', endpoint: this.endpoint } as const;
    const down = { kind: 'unavailable', reason: 'the app does not pass its health check' } as const;
    this.picker = { pick: () => (isUp() ? picked : down) };
  }

  /** Routes to parts of a service end before its app. */
  pickerFor(): Picker<Endpoint> {
    return this.picker;
  }

  unavailable(reason: string): ProxyError {
    return new ProxyError('PF_APP_DOWN', `${this.endpoint.address}: ${reason}`);
  }

  eject(): void {}

  asSeenByCaller(error: ProxyError): ProxyError {
    if (error.code !== 'PF_CONNECT_FAILED') return error;
    const { address } = this.endpoint;
    const message = `${address}: no connection to the app`;
    return new ProxyError('PF_APP_DOWN', message, { cause: error, requestSent: false, endpoint: address });
  }

  /** Takes nothing new; what is in flight ends. */
  close(): void {
    this.endpoint.drain();
  }
}

function recordOf(key: ServiceKey, host: string, port: number): ServiceInstance {
  return {
    key,
    id: 'app',
    host,
    port,
    protocol: 'http',
    weight: 100,
    tags: [],
    metadata: {},
    health: 'passing',
    enabled: true,
  };
}
