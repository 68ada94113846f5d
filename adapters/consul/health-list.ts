// One read of a service's instances, plain or blocking: the answer of /v1/health/service as a whole list, denied reads told.
import type { Reading } from '../../src/registry/driver.ts';
import { RegistryError, type ServiceInstance, type ServiceKey } from '../../src/registry/types.ts';
import { decodeEntry } from './codec.ts';
import type { Connection, ConsulAnswer } from './connection.ts';
import { consulName, type ListIds } from './names.ts';
import { assertMayRead } from './rights.ts';

/** How a list is read. */
export interface HealthQuery {
  /** Blocks until something newer than this, or until `waitMs` have passed. */
  readonly after?: { readonly index: number; readonly waitMs: number };
  /** Asks the leader to make sure that it still leads and has caught up: for a second look. */
  readonly isConsistent?: boolean;
  readonly epoch: string;
  /** Hears pieces of the answer. */
  onProgress?(): void;
}

/** Reads and decodes. Rejects with `forbidden` where the answer is empty because of missing rights. */
export async function readHealth(
  connection: Connection,
  key: ServiceKey,
  ids: ListIds,
  query: HealthQuery,
  signal: AbortSignal,
): Promise<{ readonly reading: Reading; readonly index: number }> {
  const name = consulName(key);
  const { after, epoch } = query;
  const isBlocking = after !== undefined && after.index > 0;
  const answer = await connection.request(
    {
      method: 'GET',
      path: `/v1/health/service/${encodeURIComponent(name)}`,
      query: {
        ...(isBlocking ? { index: String(after.index), wait: `${Math.round(after.waitMs)}ms` } : {}),
        ...(query.isConsistent === true ? { consistent: '' } : {}),
        ...namespaceOf(key),
      },
      isLongPoll: after !== undefined,
      isCatalog: true,
      onProgress: () => query.onProgress?.(),
    },
    signal,
  );
  const entries = parseList(answer.text);
  if (entries.length === 0) await assertMayRead(connection, name, answer.headers, signal);
  const index = indexOf(answer);
  const { instances, rejected } = decode(key, entries, ids);
  return { reading: { instances, rejected, revision: String(index), epoch, sequence: index }, index };
}

/**
 * The service's index alone, which another one means another list by. With a tag that nobody has the agent assembles no
 * instance and no check: a third of what a filter costs it, which sees them all. It says nothing of rights.
 */
export async function readIndex(connection: Connection, key: ServiceKey, signal: AbortSignal): Promise<number> {
  const path = `/v1/health/service/${encodeURIComponent(consulName(key))}`;
  const query = { tag: '-', ...namespaceOf(key) };
  const request = { method: 'GET', path, query, isLongPoll: true, isCatalog: true, ignoresBody: true } as const;
  return indexOf(await connection.request(request, signal));
}

/** Of an answer that could have been waited for; at least 1, since queries after 0 do not block. */
export function indexOf({ headers }: ConsulAnswer): number {
  const text = headers['x-consul-index'];
  const index = typeof text === 'string' && /^\d+$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(index)) throw new RegistryError('protocol', 'consul: an answer without index');
  return Math.max(1, index);
}

/** Enterprise: a key's namespace beside `default`, which means the one of the configuration. */
export function namespaceOf(key: Pick<ServiceKey, 'namespace'>): { readonly ns?: string } {
  return key.namespace === 'default' ? {} : { ns: key.namespace };
}

function decode(key: ServiceKey, entries: readonly unknown[], ids: ListIds): Pick<Reading, 'instances' | 'rejected'> {
  const decoded = entries.map((entry) => decodeEntry(key, entry));
  const names = ids.assign(decoded);
  const instances: ServiceInstance[] = [];
  const rejected: { ref: string; reason: string }[] = [];
  for (const [position, entry] of decoded.entries()) {
    const id = names[position] ?? entry.id;
    if ('reason' in entry) rejected.push({ ref: id, reason: entry.reason });
    else instances.push(id === entry.id ? entry.instance : { ...entry.instance, id });
  }
  return { instances, rejected };
}

function parseList(text: string): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RegistryError('protocol', 'consul health/service: not JSON', { cause: error });
  }
  if (!Array.isArray(value)) throw new RegistryError('protocol', 'consul health/service: not a list');
  return value as unknown[];
}
