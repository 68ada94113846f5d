// GET: what an operator, a platform or Prometheus sees. Nothing here changes anything.
import { json, type Reply } from './reply.ts';
import type { AdminSources } from './sources.ts';

/** A request, as far as a view is concerned with it. */
export interface ViewRequest {
  /** `If-None-Match`, as it came. */
  readonly ifNoneMatch: string | undefined;
  readonly query: URLSearchParams;
}

/** Makes one answer from what the sidecar says of itself. */
export type View = (sources: AdminSources, request: ViewRequest) => Reply | Promise<Reply>;

/** For a platform's liveness probe: 200 while the process does not have to be ended. */
export const livez: View = (sources) =>
  sources.isLive() ? json(200, { status: 'live' }) : json(503, { status: 'failing' });

/** For a start-up probe: 200 once the listeners are bound. */
export const startupz: View = (sources) => {
  const { phase } = sources.readiness();
  return sources.isStarted() ? json(200, { status: 'started', phase }) : json(503, { status: 'starting', phase });
};

/** For a readiness probe: 200 while `ready` or `degraded`; says why in either case. */
export const readyz: View = (sources) => {
  const { status, phase, reasons } = sources.readiness();
  return json(status === 'ready' || status === 'degraded' ? 200 : 503, { status, phase, reasons });
};

/** Prometheus' text format. */
export const metrics: View = async (sources) => {
  const { contentType, body } = await sources.metrics();
  return { status: 200, contentType, body };
};

/** The effective configuration; 304 where the client has it already (RFC 9110 §13.1.2). */
export const config: View = (sources, { ifNoneMatch }) => {
  const { masked, etag, generation } = sources.config();
  const tag = `"${etag}"`;
  if (ifNoneMatch !== undefined && matches(ifNoneMatch, tag)) {
    return { status: 304, contentType: 'application/json', body: '', headers: { etag: tag } };
  }
  return json(200, { generation, config: masked }, { etag: tag });
};

/** Each upstream and each of its endpoints, with why it is or is not picked. */
export const upstreams: View = (sources) => json(200, sources.upstreams() ?? []);

/** The own record and its state. */
export const registration: View = (sources) => json(200, sources.registration() ?? { state: 'none' });

/** The registry and the watches on it. */
export const registry: View = (sources) => json(200, sources.registry() ?? {});

function matches(ifNoneMatch: string, tag: string): boolean {
  return ifNoneMatch.split(',').some((candidate) => {
    const opaque = candidate.trim();
    return opaque === '*' || opaque === tag || opaque === `W/${tag}`;
  });
}
