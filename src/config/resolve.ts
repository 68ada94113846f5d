// A valid file → Config: `"*"` under each upstream, and the defaults that depend on another field.
import type { z } from 'zod';
import type { Config, UpstreamConfig } from './config.ts';
import type { fileSchema } from './schema/config.ts';
import { isLoopback } from './schema/scalar.ts';
import { upstream } from './schema/upstreams.ts';
import { newMapping } from './tree.ts';
import type { Tree } from './tree.ts';

/** @param tree what `file` was made from: merging is done on what was written, before defaults fill the gaps. */
export function resolve(file: z.output<typeof fileSchema>, tree: Tree): Config {
  const { service, registry, listeners, upstreams, ...rest } = file;
  const isFile = registry.type === 'file';
  const advertised = service?.advertise ?? { host: isFile ? '127.0.0.1' : undefined, port: undefined };
  const isLocal = isFile || registry.type === 'static' || isLoopback(advertised.host ?? '');
  return {
    ...rest,
    service: service === undefined ? undefined : { ...service, advertise: advertised },
    registry: { ...registry, allowLoopback: registry.allowLoopback ?? isLocal },
    listeners: {
      inbound: {
        ...listeners.inbound,
        address: listeners.inbound.address ?? { host: isFile ? '127.0.0.1' : '0.0.0.0', port: 15_006 },
      },
      outbound: listeners.outbound,
    },
    upstreams: new Map(
      Object.keys(upstreams)
        .filter((name) => name !== '*')
        .map((name) => [name, namedUpstream(tree, name, service?.zone)]),
    ),
    upstreamDefaults: mergedUpstream(tree, undefined, service?.zone).options,
  };
}

function namedUpstream(tree: Tree, name: string, ownZone: string | undefined): UpstreamConfig {
  const { service, options } = mergedUpstream(tree, name, ownZone);
  const { namespace, group } = service;
  return { ...options, name, key: { namespace, group, service: service.name ?? name } };
}

/**
 * Both entries are valid by themselves, and no rule of an upstream spans two of its fields but those of a balancer and of a
 * fallback, which are taken whole from one of them, and that a health check is made in one way: so the merged one is valid.
 */
function mergedUpstream(tree: Tree, name: string | undefined, ownZone: string | undefined) {
  const own = name === undefined ? undefined : tree.get(['upstreams', name]);
  const base = tree.get(['upstreams', '*']);
  const merged = merge(namesProbe(own) ? withoutProbe(base) : base, own);
  for (const whole of ['balancer', 'fallback'])
    if (isMapping(merged) && isMapping(own) && own[whole] !== undefined) merged[whole] = own[whole];
  const { service, zone, ...options } = upstream.parse(merged);
  return { service, options: { ...options, zone: { ...zone, own: zone.own ?? ownZone } } };
}

const PROBES = ['http', 'tcp', 'grpc'];

function namesProbe(entry: unknown): boolean {
  return isMapping(entry) && isMapping(entry.health) && Object.keys(entry.health).some((key) => PROBES.includes(key));
}

function withoutProbe(entry: unknown): unknown {
  if (!isMapping(entry) || !isMapping(entry.health)) return entry;
  const health = Object.entries(entry.health).filter(([key]) => !PROBES.includes(key));
  return Object.assign(newMapping(), entry, { health: Object.assign(newMapping(), Object.fromEntries(health)) });
}

/** Mappings are merged key by key; everything else, lists included, is replaced. */
function merge(base: unknown, over: unknown): unknown {
  if (!isMapping(base)) return over ?? base ?? {};
  if (!isMapping(over)) return over ?? base;
  const merged = newMapping();
  for (const key of [...Object.keys(base), ...Object.keys(over)]) merged[key] = merge(base[key], over[key]);
  return merged;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
