// What an upstream is given in tests: a registry moved by hand, connections that answer, reset, hang or refuse on command.
import { ProxyError } from '../../../src/errors.ts';
import { Body } from '../../../src/http/body.ts';
import type { ClientConnection, ConnectionOwner, Exchange, ExchangeReceiver } from '../../../src/http/exchange.ts';
import { Headers } from '../../../src/http/headers.ts';
import { ProxyRequest, ProxyResponse } from '../../../src/http/message.ts';
import { byIdOrder } from '../../../src/registry/by-id.ts';
import { serviceKey } from '../../../src/registry/types.ts';
import type {
  RegistryError,
  ServiceInstance,
  ServiceView,
  WatchOptions,
  WatchState,
} from '../../../src/registry/types.ts';
import type { Connect, ConnectTarget, DialListener } from '../../../src/upstream/connect.ts';
import { UPSTREAM_DEFAULTS, type UpstreamOptions } from '../../../src/upstream/options.ts';
import type { Clock } from '../../../src/util/clock.ts';
import type { WatchHandle, WatchService } from '../../../src/upstream/upstream.ts';

export const ORDERS = serviceKey('orders');

/** Instance `n` of `orders`, at 10.0.0.n:80. */
export function instance(n: number, fields: Partial<ServiceInstance> = {}): ServiceInstance {
  return {
    key: ORDERS,
    id: `orders-${n}`,
    host: `10.0.0.${n}`,
    port: 80,
    protocol: 'http',
    weight: 100,
    tags: [],
    metadata: {},
    health: 'passing',
    enabled: true,
    ...fields,
  };
}

export function viewOf(
  instances: readonly ServiceInstance[],
  marks: { suspects?: readonly string[]; flapping?: readonly string[]; origin?: 'live' | 'static' | 'disk' } = {},
): ServiceView {
  return {
    snapshot: {
      key: ORDERS,
      instances: [...instances].sort(byIdOrder),
      rejected: [],
      revision: String(instances.length),
      epoch: 'e',
      observedAtMs: 0,
      origin: marks.origin ?? 'live',
    },
    suspects: new Set(marks.suspects),
    flapping: new Set(marks.flapping),
  };
}

/** Options that differ from the defaults in whole groups. */
export function optionsWith(over: Partial<UpstreamOptions>): UpstreamOptions {
  return { ...UPSTREAM_DEFAULTS, ...over };
}

/** One watch, moved by hand. */
export class FakeWatch implements WatchHandle {
  stalenessMs = 0;
  lastError: RegistryError | undefined = undefined;
  isClosed = false;
  readonly failedProbes: string[] = [];
  readonly service: WatchService;
  private options: WatchOptions = {};

  constructor() {
    this.service = (_key, options) => {
      this.options = options;
      this.isClosed = false;
      return this;
    };
  }

  give(instances: readonly ServiceInstance[], marks: Parameters<typeof viewOf>[1] = {}): void {
    // In the order of the real one: a list first, then the state that it leads to.
    this.options.onView?.(viewOf(instances, marks));
    this.state('live');
  }

  state(state: WatchState): void {
    this.options.onState?.(state);
  }

  probeFailed(id: string): void {
    this.failedProbes.push(id);
  }

  close(): void {
    this.isClosed = true;
  }
}

/** One request on a fake connection: answered, reset or left hanging by the test. */
export class FakeExchange implements Exchange {
  readonly connection: FakeConnection;
  readonly request: ProxyRequest;
  readonly body: Body;
  private readonly receiver: ExchangeReceiver;
  private isOver = false;

  constructor(connection: FakeConnection, request: ProxyRequest, body: Body, receiver: ExchangeReceiver) {
    this.connection = connection;
    this.request = request;
    this.body = body;
    this.receiver = receiver;
  }

  /** A complete answer, after which the connection can be used again. */
  answer(status = 200, fields: readonly (readonly [string, string])[] = [], content = ''): void {
    if (this.isOver) return;
    const response = new ProxyResponse(status, Headers.of(...fields), Body.of(Buffer.from(content)));
    this.connection.stamp(this.request);
    this.receiver.onResponse(response);
    this.isOver = true;
    this.receiver.onEnd({ error: undefined, receivedBytes: content.length, endedAtMs: this.connection.nowMs });
    this.connection.released();
  }

  /** The head of an answer whose content the test pushes into the returned body. */
  begin(status = 200, length?: number, fields: readonly (readonly [string, string])[] = []): Body {
    const source = {
      pauseBody: () => undefined,
      resumeBody: () => undefined,
      cancelBody: (reason: ProxyError) => this.breakOff(reason),
    };
    const body = new Body(source, length);
    this.connection.stamp(this.request);
    this.receiver.onResponse(new ProxyResponse(status, Headers.of(...fields), body));
    return body;
  }

  /** The answer that was begun is complete. */
  finish(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.receiver.onEnd({ error: undefined, receivedBytes: 0, endedAtMs: this.connection.nowMs });
    this.connection.released();
  }

  /** The peer resets the connection. */
  reset(requestSent = true): void {
    const endpoint = this.connection.target.address;
    this.fail(new ProxyError('PF_UPSTREAM_CLOSED', `endpoint ${endpoint}: reset`, { requestSent, endpoint }));
  }

  cancel(reason: ProxyError): void {
    this.fail(reason);
  }

  private breakOff(error: ProxyError): void {
    if (this.isOver) return;
    this.isOver = true;
    this.connection.shut();
    this.receiver.onEnd({ error, receivedBytes: 0, endedAtMs: this.connection.nowMs });
  }

  private fail(error: ProxyError): void {
    if (this.isOver) return;
    this.isOver = true;
    this.connection.shut();
    this.receiver.onFailed(error);
    this.receiver.onEnd({ error, receivedBytes: 0, endedAtMs: this.connection.nowMs });
  }
}

export class FakeConnection implements ClientConnection {
  readonly target: ConnectTarget;
  used = 0;
  idleMs = 0;
  /** False: the peer has closed it, and nobody noticed yet. */
  isUsable = true;
  isOpen = true;
  exchange: FakeExchange | undefined = undefined;
  private readonly owner: ConnectionOwner;
  private readonly network: FakeNetwork;
  private isClosing = false;

  constructor(network: FakeNetwork, target: ConnectTarget, owner: ConnectionOwner) {
    this.network = network;
    this.target = target;
    this.owner = owner;
  }

  get capacity(): number {
    return this.isOpen && !this.isClosing && this.exchange === undefined ? 1 : 0;
  }

  send(request: ProxyRequest, body: Body, receiver: ExchangeReceiver): Exchange {
    if (this.capacity === 0) throw new Error('sent on a connection without capacity');
    this.used++;
    this.exchange = new FakeExchange(this, request, body, receiver);
    this.network.sent(this.exchange);
    return this.exchange;
  }

  /** As a codec does when the head of an answer is complete. */
  stamp(request: ProxyRequest): void {
    request.answeredAtMs = this.nowMs;
  }

  get nowMs(): number {
    return this.network.clock.now();
  }

  released(): void {
    this.exchange = undefined;
    if (this.isClosing) this.shut();
    else this.owner.onAvailable(this, this.nowMs);
  }

  close(): void {
    this.isClosing = true;
    if (this.exchange === undefined) this.shut();
  }

  destroy(reason: ProxyError): void {
    this.exchange?.cancel(reason);
    this.shut();
  }

  shut(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.exchange = undefined;
    this.owner.onClosed(this);
  }
}

interface PendingDial {
  readonly target: ConnectTarget;
  readonly owner: ConnectionOwner;
  readonly listener: DialListener;
}

/** All connections of a test. Dials wait for `settleDials`, or end at once (in a microtask) while `isPatient` is false. */
export class FakeNetwork {
  readonly connections: FakeConnection[] = [];
  readonly exchanges: FakeExchange[] = [];
  /** Addresses that refuse connections. */
  readonly refusing = new Set<string>();
  /** This process has no descriptor left. */
  isExhausted = false;
  /** Called for each request sent; by default the test looks at `exchanges`. */
  onSent: ((exchange: FakeExchange) => void) | undefined = undefined;
  isPatient = false;
  /** What answers are stamped with. */
  readonly clock: Clock;
  dials = 0;
  private pending: PendingDial[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
  }

  readonly connect: Connect = (target, _options, owner, listener) => {
    this.dials++;
    const dial = { target, owner, listener };
    if (this.isPatient) this.pending.push(dial);
    else queueMicrotask(() => this.settle(dial));
  };

  get open(): FakeConnection[] {
    return this.connections.filter((connection) => connection.isOpen);
  }

  settleDials(): void {
    const { pending } = this;
    this.pending = [];
    for (const dial of pending) this.settle(dial);
  }

  sent(exchange: FakeExchange): void {
    this.exchanges.push(exchange);
    this.onSent?.(exchange);
  }

  private settle({ target, owner, listener }: PendingDial): void {
    const endpoint = target.address;
    if (this.isExhausted) {
      const cause = Object.assign(new Error(`connect EMFILE ${endpoint}`), { code: 'EMFILE' });
      const message = `endpoint ${endpoint}: no connection`;
      listener.onConnectFailed(new ProxyError('PF_OVERFLOW', message, { cause, requestSent: false, endpoint }));
      return;
    }
    if (this.refusing.has(endpoint)) {
      const cause = Object.assign(new Error(`connect ECONNREFUSED ${endpoint}`), { code: 'ECONNREFUSED' });
      const message = `endpoint ${endpoint}: no connection`;
      listener.onConnectFailed(new ProxyError('PF_CONNECT_FAILED', message, { cause, requestSent: false, endpoint }));
      return;
    }
    const connection = new FakeConnection(this, target, owner);
    this.connections.push(connection);
    listener.onConnected(connection);
  }
}

export function makeRequest(method = 'GET', body: Body = Body.empty, receivedAtMs = 1_000): ProxyRequest {
  return new ProxyRequest({
    direction: 'outbound',
    method,
    scheme: 'http',
    authority: 'orders',
    path: '/',
    query: '',
    httpVersion: 11,
    headers: Headers.of(['Host', 'orders']),
    body,
    peer: '127.0.0.1',
    receivedAtMs,
  });
}

/** Lets promise callbacks, microtasks and immediates run. */
export async function turns(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
