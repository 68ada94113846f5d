// The three ways to ask whether somebody is well, as `service.health` and `upstreams.<alias>.health` spell them.
import { z } from 'zod';

/** How one is asked. */
export type HealthProbe =
  | { readonly kind: 'tcp' }
  | { readonly kind: 'http'; readonly path: string }
  | { readonly kind: 'grpc'; readonly service: string };

/** `http:` a path to GET. */
export function healthPath() {
  return z
    .string({ error: 'a path such as /healthz' })
    .regex(/^\/[\u0021-\u007e]{0,2047}$/, { error: 'a path such as /healthz' })
    .optional();
}

/** `grpc:` a service of the health protocol. */
export function grpcService() {
  return z.string({ error: 'the name of a gRPC service, or "" for the whole server' }).max(253).optional();
}

/** True unless more than one way is named. */
export function onlyOneProbe({
  http,
  tcp,
  grpc,
}: {
  readonly http?: unknown;
  readonly tcp?: unknown;
  readonly grpc?: unknown;
}): boolean {
  return [http, tcp, grpc].filter((probe) => probe !== undefined).length <= 1;
}

/** What both sections say beside the way of asking. */
interface CheckFields {
  readonly http?: string | undefined;
  readonly grpc?: string | undefined;
  readonly interval: number;
  readonly timeout: number;
  readonly rise: number;
  readonly fall: number;
}

/** The options of a check; TCP where no other way is named. */
export function checkOptions({ http, grpc, interval, timeout, rise, fall }: CheckFields) {
  return { probe: probeOf(http, grpc), intervalMs: interval, timeoutMs: timeout, rise, fall };
}

function probeOf(http: string | undefined, grpc: string | undefined): HealthProbe {
  if (http !== undefined) return { kind: 'http', path: http };
  return grpc !== undefined ? { kind: 'grpc', service: grpc } : { kind: 'tcp' };
}
