// Every code a sidecar may answer with, and the one error type that carries a code from where it happened to where it is answered.

/** What a code means on the wire. `status` is the usual HTTP status; `PF_BAD_REQUEST` may carry a more exact one. */
export interface CodeFacts {
  /** HTTP status of the answer that the sidecar makes. */
  readonly status: number;
  /** Response flag in the access log, in Envoy's letters; `-` where Envoy has none. */
  readonly flag: string;
  /** True where a *registered sidecar* that answers so promises that the app never saw the request (safe to retry anything). */
  readonly notExecuted: boolean;
  /** One sentence for operators: what happened. */
  readonly summary: string;
}

/** The catalogue. A test holds `docs/errors.md` equal to it, both ways. */
export const CODES = {
  PF_NO_ROUTE: { status: 404, flag: 'NR', notExecuted: false, summary: 'No route and no service has this name.' },
  PF_NO_ENDPOINT: {
    status: 503,
    flag: 'UH',
    notExecuted: false,
    summary: 'The service is known, but no instance can take the request.',
  },
  PF_CONNECT_FAILED: {
    status: 502,
    flag: 'UF',
    notExecuted: false,
    summary: 'No connection to an instance could be made; nothing was sent.',
  },
  PF_UPSTREAM_CLOSED: {
    status: 502,
    flag: 'UC',
    notExecuted: false,
    summary: 'The instance closed the connection before its answer was complete.',
  },
  PF_UPSTREAM_PROTOCOL: {
    status: 502,
    flag: 'UPE',
    notExecuted: false,
    summary: 'The instance sent something that is not a valid answer.',
  },
  PF_TIMEOUT: { status: 504, flag: 'UT', notExecuted: false, summary: 'The instance did not answer in time.' },
  PF_BREAKER_OPEN: { status: 503, flag: 'UO', notExecuted: false, summary: 'The breaker of this upstream is open.' },
  PF_OVERFLOW: {
    status: 503,
    flag: 'UO',
    notExecuted: true,
    summary: 'A limit on connections, requests or queueing was reached.',
  },
  PF_RATE_LIMITED: { status: 429, flag: 'RL', notExecuted: false, summary: 'The caller sent more than it may.' },
  PF_BAD_REQUEST: {
    status: 400,
    flag: 'DPE',
    notExecuted: false,
    summary: 'The request is not valid HTTP, or more than the limits allow.',
  },
  PF_APP_DOWN: {
    status: 503,
    flag: 'UH',
    notExecuted: true,
    summary: 'The app behind this sidecar does not answer its health check.',
  },
  PF_LOOP: {
    status: 508,
    flag: 'DPE',
    notExecuted: false,
    summary: 'The request came back to the listener that had sent it.',
  },
  PF_INTERNAL: { status: 500, flag: '-', notExecuted: false, summary: 'A bug, in the sidecar or in a plugin.' },
  PF_CLIENT_CLOSED: {
    status: 499,
    flag: 'DC',
    notExecuted: false,
    summary: 'The caller went away first (in the log only).',
  },
  PF_MISDIRECTED: {
    status: 421,
    flag: 'MD',
    notExecuted: true,
    summary: 'The request was meant for another service than the one behind this sidecar.',
  },
  PF_UNAUTHENTICATED: { status: 401, flag: 'UAEX', notExecuted: false, summary: 'No valid credentials.' },
  PF_FORBIDDEN: {
    status: 403,
    flag: 'UAEX',
    notExecuted: false,
    summary: 'Valid credentials without the right to do this.',
  },
  PF_DRAINING: {
    status: 503,
    flag: 'DR',
    notExecuted: true,
    summary: 'This sidecar is stopping and takes nothing new.',
  },
} as const satisfies Record<string, CodeFacts>;

/** A stable code, read by machines: the header `x-pilotfish-code`, the access log, tests. */
export type ErrorCode = keyof typeof CODES;

/** What is known of a failure beside its code. Facts only: policies (`resilience/`) decide what follows from them. */
export interface ErrorFacts {
  /** The error that led to this one; the log prints the whole chain down to the root. */
  readonly cause?: unknown;
  /** False only where it is certain that no byte of the request reached the upstream. Absent: not concerned with an upstream. */
  readonly requestSent?: boolean;
  /** `host:port` of the endpoint concerned. */
  readonly endpoint?: string;
  /** A more exact HTTP status than the code's own (for `PF_BAD_REQUEST`: 405, 408, 413, 414, 417, 431, 501, 505). */
  readonly status?: number;
  /** When it may be worth trying again, in ms; the answer then has a `Retry-After`. */
  readonly retryAfterMs?: number;
}

/** A failure with a stable code. Made where it happens, wrapped nowhere, answered by `middleware/rescue.ts` alone. */
export class ProxyError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly requestSent: boolean | undefined;
  readonly endpoint: string | undefined;
  readonly retryAfterMs: number | undefined;

  /** @param message where and what, for a person; never anything secret. */
  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = 'ProxyError';
    this.code = code;
    this.status = facts.status ?? CODES[code].status;
    this.requestSent = facts.requestSent;
    this.endpoint = facts.endpoint;
    this.retryAfterMs = facts.retryAfterMs;
  }
}

/** True for the codes of the catalogue; a text from outside is checked with this before it is believed. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(CODES, text);
}

/** The messages of an error and of all its causes, outermost first, `: `-joined; at most 8 links, so that a circle ends. */
export function causeChain(error: unknown): string {
  const links: string[] = [];
  let link: unknown = error;
  for (let depth = 0; depth < 8 && link !== undefined && link !== null; depth++) {
    if (link instanceof Error) {
      const code = (link as NodeJS.ErrnoException).code;
      const named = typeof code === 'string' && !link.message.includes(code) ? `${code} ${link.message}` : link.message;
      if (links.at(-1) !== named) links.push(named);
      link = link.cause;
    } else {
      links.push(typeof link === 'string' ? link : 'a value that is no error was thrown');
      break;
    }
  }
  return links.join(': ');
}
