// HOT PATH. What flows through the layers: one ProxyRequest in, one ProxyResponse back.
import type { ErrorCode, ProxyError } from '../errors.ts';
import type { Subset } from '../util/labels.ts';
import { Body } from './body.ts';
import { Headers } from './headers.ts';

/** `inbound`: to our own app. `outbound`: from it. */
export type Direction = 'inbound' | 'outbound';

/** One try of a request on one endpoint, as the access log and the retry policy see it. */
export interface Attempt {
  /** `host:port`. */
  readonly endpoint: string;
  /** Status of its answer, or the code of its failure; undefined while it runs. */
  result: number | ErrorCode | undefined;
  /** Gives up this attempt alone, where it can be. The request goes on with what runs beside it. */
  abort?(reason: ProxyError): void;
}

/** Whoever is at work on a request right now and has to stop when the client goes away. */
export interface Abortable {
  abort(reason: ProxyError): void;
}

/** Who may let a request try elsewhere while its attempt still runs. */
export interface Mover {
  /** True pays for another try, which the attempt then makes room for by failing. */
  pay(request: ProxyRequest, requestSent: boolean): boolean;
}

/** A request that was given another answer than its upstream's, since that had failed as a whole. */
export interface FallbackTaken {
  /** `answer`, or the name of another upstream. */
  readonly to: string;
  readonly cause: string;
  /** Attempts on the first upstream; those from there on are of the other one. */
  readonly attemptsBefore: number;
}

/** Told of informational (1xx) answers as they come; 101 is not one of them: it is a response with `isTunnel`. */
export type InformationalListener = (status: number, headers: Headers) => void;

/** Answer of a plugin's or layer's work on a request. One promise for each is all that a hot path can afford. */
export type Handler = (request: ProxyRequest) => Promise<ProxyResponse>;

/** Wraps a handler into another. One that has nothing to do after the answer returns `next(request)` itself. */
export type Layer = (next: Handler) => Handler;

/** The plugin contract. */
export interface Middleware {
  readonly name: string;
  process(request: ProxyRequest, next: Handler): Promise<ProxyResponse>;
}

/** A request on its way through the sidecar. Fields may be changed by the layer that holds it, before it calls `next`. */
export class ProxyRequest {
  readonly direction: Direction;
  method: string;
  /** `http` or `https`: what the connection is. What the client says of it (an absolute-form target) proves nothing. */
  scheme: string;
  /** Host and optional port as the client named it (from Host, `:authority` or an absolute-form target), lower case. */
  authority: string;
  /** Normal form, starts with `/`; or `*` (OPTIONS only). Never holds the query. */
  path: string;
  /** With its `?`, exactly as it came; empty where there was none. */
  query: string;
  /** The version that the client spoke: 10, 11 or 20. */
  readonly httpVersion: 10 | 11 | 20;
  readonly headers: Headers;
  body: Body;
  /** A valid WebSocket upgrade: `body` then gives the raw bytes that follow the 101. */
  isUpgrade = false;
  /** The peer's address without a port, IPv4-mapped IPv6 written as IPv4. */
  readonly peer: string;
  /** `x-request-id`. */
  id = '';
  /** The part of the upstream that it is for, where a route says so; undefined: what the upstream's configuration says. */
  subset: Subset | undefined = undefined;
  /** What a policy hashes in place of a cookie that the client does not have yet; empty: nothing. Set by `affinity`. */
  affinity = '';
  /** Name of the upstream that it is for, as metrics label it; `unknown` before the route is known. */
  upstream = 'unknown';
  /** One for each try, in order. */
  readonly attempts: Attempt[];
  /** Of `attempts`, the first on the upstream that has the request now. */
  firstAttempt = 0;
  /** Set where its upstream's fallback has taken over. */
  fallback: FallbackTaken | undefined = undefined;
  /** Monotonic ms: head complete, endpoint picked, connection ready, head of the answer complete. 0 = not reached. */
  readonly receivedAtMs: number;
  pickedAtMs = 0;
  connectedAtMs = 0;
  answeredAtMs = 0;
  /** Time from `receivedAtMs`, or from when its content had come, to the answer's head, in ms; 0 = no bound. Set by `retry`. */
  timeoutMs = 0;
  /** Which attempt of its caller's it is: above 1, that one tries again by itself. */
  callerAttempt = 1;
  /** Monotonic ms at which its content had come whole; 0 while it has not, and where there is none. Set by the codec. */
  contentAtMs = 0;
  /** Set by the layer that tries again. */
  mover: Mover | undefined = undefined;
  /** Whether its attempt was given up for another one, which happens once; `paid` until that one is made. */
  move: 'none' | 'paid' | 'made' = 'none';
  /** Set by the listener. */
  onInformational: InformationalListener | undefined = undefined;
  /** It is counted among those under way. Set by the listener's context. */
  isAdmitted = false;
  /** Why the client's side ended it; undefined while it has not. */
  aborted: ProxyError | undefined = undefined;
  private worker: Abortable | undefined = undefined;
  private controller: AbortController | undefined = undefined;

  constructor(fields: {
    readonly direction: Direction;
    readonly method: string;
    readonly scheme: string;
    readonly authority: string;
    readonly path: string;
    readonly query: string;
    readonly httpVersion: 10 | 11 | 20;
    readonly headers: Headers;
    readonly body: Body;
    readonly peer: string;
    readonly receivedAtMs: number;
    readonly attempts?: Attempt[];
  }) {
    this.direction = fields.direction;
    this.method = fields.method;
    this.scheme = fields.scheme;
    this.authority = fields.authority;
    this.path = fields.path;
    this.query = fields.query;
    this.httpVersion = fields.httpVersion;
    this.headers = fields.headers;
    this.body = fields.body;
    this.peer = fields.peer;
    this.receivedAtMs = fields.receivedAtMs;
    this.attempts = fields.attempts ?? [];
  }

  /**
   * Monotonic ms since when an answer can be expected: the content is whole. Undefined while it comes: by now more than
   * `seenBytes` of it, or the reader waits for the client. Content that the reader holds up, or never asked for, does not come.
   */
  answerableSinceMs(seenBytes: number): number | undefined {
    const { body } = this;
    if (this.contentAtMs > 0 || body.isComplete) return Math.max(this.receivedAtMs, this.contentAtMs);
    const isComing = body.received > 0 && (body.received !== seenBytes || !body.wantsNothing);
    return isComing ? undefined : this.receivedAtMs;
  }

  /**
   * The same request for an attempt that runs beside the one that works on it: with its own fields, content and times, and
   * the same list of attempts. Informational answers of that attempt are told to nobody.
   */
  twin(body: Body): ProxyRequest {
    const { direction, method, scheme, authority, path, query, httpVersion, peer, receivedAtMs, attempts } = this;
    const message = { direction, method, scheme, authority, path, query, httpVersion, peer, receivedAtMs, attempts };
    const twin = new ProxyRequest({ ...message, headers: this.headers.clone(), body });
    twin.id = this.id;
    twin.subset = this.subset;
    twin.affinity = this.affinity;
    twin.upstream = this.upstream;
    twin.firstAttempt = this.firstAttempt;
    twin.timeoutMs = this.timeoutMs;
    twin.callerAttempt = this.callerAttempt;
    twin.contentAtMs = this.contentAtMs;
    twin.mover = this.mover;
    return twin;
  }

  /** Another upstream begins with it: what the first one has set of its own holds no more. */
  goOn(fallback: FallbackTaken): void {
    this.fallback = fallback;
    this.firstAttempt = this.attempts.length;
    this.subset = undefined;
    this.affinity = '';
    this.mover = undefined;
    this.move = 'none';
  }

  /** Says who has to be stopped when the client goes away; undefined when nobody works on it. Stops it at once where that has happened. */
  workedOnBy(worker: Abortable | undefined): void {
    this.worker = worker;
    if (worker !== undefined && this.aborted !== undefined) worker.abort(this.aborted);
  }

  /** `worker` has ended. Somebody else may be at work by now. */
  leftBy(worker: Abortable): void {
    if (this.worker === worker) this.worker = undefined;
  }

  /** The client went away, or a deadline passed: stops the work, aborts `signal`. The first reason stays. */
  abort(reason: ProxyError): void {
    if (this.aborted !== undefined) return;
    this.aborted = reason;
    this.worker?.abort(reason);
    this.controller?.abort(reason);
  }

  /** Aborts with the request; made on first use, for plugins (the built-in layers use `workedOnBy`, which costs nothing). */
  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.aborted !== undefined) this.controller.abort(this.aborted);
    }
    return this.controller.signal;
  }
}

/** An answer: a value with a streaming body. */
export class ProxyResponse {
  status: number;
  /** Reason phrase, HTTP/1 only; empty: the standard one. */
  reason: string;
  readonly headers: Headers;
  body: Body;
  /** Set where the sidecar itself made this answer. */
  readonly code: ErrorCode | undefined;
  /** What happened, where `code` is set: the log prints its whole chain of causes. */
  failure: ProxyError | undefined = undefined;
  /** A 101: `body` gives the raw bytes of the upstream, and the request's `body` those of the client. */
  isTunnel = false;

  constructor(
    status: number,
    headers: Headers = new Headers(),
    body: Body = Body.empty,
    code?: ErrorCode,
    reason = '',
  ) {
    this.status = status;
    this.reason = reason;
    this.headers = headers;
    this.body = body;
    this.code = code;
  }
}

/** Composes layers around a handler: the first listed is outermost. */
export function compose(layers: readonly Layer[], innermost: Handler): Handler {
  return layers.reduceRight((next, layer) => layer(next), innermost);
}
