// `pilotfish registry register`: holds one registration for something that has no sidecar, until interrupted.
import { randomUUID } from 'node:crypto';
import { printable } from '../config/problem.ts';
import { parseHostPort } from '../config/schema/scalar.ts';
import { keyText, RegistryError } from '../registry/types.ts';
import type { RegistrationHandle, ServiceInstance } from '../registry/types.ts';
import { parseDuration } from '../util/units.ts';
import { EXIT, UsageError } from './command.ts';
import { addressText, flatten, keyOf, withRegistry } from './registry-access.ts';
import { interrupted } from './terminal.ts';
import type { Context } from './terminal.ts';

interface Values {
  readonly json?: boolean | undefined;
  readonly config?: string | undefined;
  readonly registry?: string | undefined;
  readonly ttl?: string | undefined;
  readonly id?: string | undefined;
  readonly weight?: string | undefined;
  readonly zone?: string | undefined;
  readonly protocol?: string | undefined;
  readonly tag?: string[] | undefined;
  readonly meta?: string[] | undefined;
}

const PROTOCOLS = ['http', 'https', 'h2c', 'tcp'] as const;
/** The registry has this long to take the record away when we are interrupted; else it expires. */
const DEREGISTER_MS = 5_000;
const MIN_TTL_MS = 500;
const MAX_TTL_MS = 86_400_000;

/** Says `registered` once the registry has acknowledged; every trouble and recovery after that goes to standard error. */
export function register(context: Context, values: Values, name: string, address: string): Promise<number> {
  const instance = instanceOf(values, name, address);
  const ttlMs = ttlOf(values.ttl);
  const overrides = { allowLoopback: true, ...(ttlMs === undefined ? {} : { ttlMs }) };
  return withRegistry(context, values, overrides, async (registry, config) => {
    if (registry.capabilities.liveness === 'none')
      throw new RegistryError('unsupported', 'it takes no records: who is there is said elsewhere');
    const handle = registry.register({ instance, ttlMs: ttlMs ?? config.registry.ttlMs });
    tellStates(context, values, handle);
    await interrupted(context);
    const settleMs = Math.min(config.drain.settleMs, DEREGISTER_MS / 2);
    const result = await handle.deregister({ deadlineMs: DEREGISTER_MS, settleMs });
    if (result === 'left-to-expire')
      context.terminal.err('the registry did not answer: the record is left to expire\n');
    return EXIT.ok;
  });
}

function tellStates({ terminal }: Context, values: Values, handle: RegistrationHandle): void {
  const { instance } = handle;
  const what = `${keyText(instance.key)} ${addressText(instance)} as ${instance.id}`;
  let isHealthy = false;
  handle.onState((state, reason) => {
    if (values.json === true) {
      const why = reason === undefined ? {} : { reason: reason.message };
      terminal.out(`${JSON.stringify({ state, ...why, instance: flatten(instance) })}\n`);
    } else if (state === 'registered' || state === 'gone') {
      terminal.out(`${state === 'gone' ? 'deregistered' : isHealthy ? 'registered again' : 'registered'} ${what}\n`);
      isHealthy = true;
    } else if (state !== 'leaving' && state !== 'pending') {
      terminal.err(`${printable(`${state}: ${reason?.message ?? 'no reason is known'}`)}\n`);
    }
  });
}

function instanceOf(values: Values, name: string, text: string): ServiceInstance {
  const address = parseHostPort(text, 1);
  if (address === undefined) throw new UsageError(`found "${text}", expected HOST:PORT`);
  const protocol = PROTOCOLS.find((known) => known === (values.protocol ?? 'http'));
  if (protocol === undefined) throw new UsageError(`--protocol: expected one of ${PROTOCOLS.join(', ')}`);
  const weight = Number(values.weight ?? 100);
  if (!/^\d{1,4}$/.test(values.weight ?? '100') || weight > 1000) {
    throw new UsageError('--weight: expected a whole number from 0 to 1000');
  }
  const key = keyOf(name);
  return {
    key,
    id: values.id ?? `${key.service}-${address.host}-${address.port}`,
    ...address,
    protocol,
    weight,
    ...(values.zone === undefined ? {} : { zone: values.zone }),
    tags: values.tag ?? [],
    metadata: Object.fromEntries((values.meta ?? []).map(pair)),
    health: 'passing',
    enabled: true,
    owner: randomUUID(),
  };
}

function pair(text: string): readonly [string, string] {
  const split = text.indexOf('=');
  if (split < 1) throw new UsageError(`--meta: found "${text}", expected NAME=VALUE`);
  return [text.slice(0, split), text.slice(split + 1)];
}

function ttlOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ttlMs = parseDuration(text);
  if (ttlMs !== undefined && ttlMs >= MIN_TTL_MS && ttlMs <= MAX_TTL_MS) return ttlMs;
  throw new UsageError(`--ttl: found "${text}", expected a duration such as 10s, from 500ms to 24h`);
}
