// `registry:` where services are registered and found, and how much the lists are believed.
import { z } from 'zod';
import { REGISTRY_TYPES } from '../../registry/locator.ts';
import { hostClass } from '../../util/host-class.ts';
import { consul } from './registry-consul.ts';
import { dns } from './registry-dns.ts';
import { etcd } from './registry-etcd.ts';
import { nacos } from './registry-nacos.ts';
import { duration, flag, integer, metadataValue, number, parseHostPort, path, readText, text } from './scalar.ts';

const HOST = 'an IP address that is neither unspecified nor link-local, or a name';

const instanceFields = {
  host: z
    .string({ error: HOST })
    .refine((host) => hostClass(unbracketed(host)) !== 'refused', { error: HOST })
    .describe('IP address or name.'),
  port: integer(1, 65_535).describe('TCP port.'),
  protocol: z
    .enum(['http', 'https', 'h2c', 'tcp'], { error: 'http, https, h2c or tcp' })
    .default('http')
    .describe('What the instance speaks; others than `http` are listed and not called yet.'),
  weight: integer(0, 1000).default(100).describe('Share of traffic; 100 is ordinary, 0 takes no new traffic.'),
  zone: text('the name of a zone').optional().describe('Failure zone.'),
  tags: z.array(text('a tag')).max(128).default([]).describe('Free labels.'),
  metadata: z.record(text('a key of metadata'), metadataValue()).default({}).describe('Free key-value pairs.'),
  health: z
    .enum(['passing', 'warning', 'critical', 'unknown'], { error: 'passing, warning, critical or unknown' })
    .default('passing')
    .describe('What the list says of its health; `critical` is picked only when there is nobody else.'),
  enabled: flag().default(true).describe('False: listed, never picked.'),
  owner: text('an owner').optional().describe('Kept with the record, without effect.'),
  leaving: flag().optional().describe('True: about to go; gets no new traffic.'),
};

const instance = z.strictObject(instanceFields);
const shortInstance = readText('host:port', 'an instance as host:port, or a mapping with host and port', (value) => {
  const address = parseHostPort(value, 1);
  return address === undefined ? undefined : instance.safeParse(address).data;
});

/** One entry of `registry.static`: `host:port`, or a mapping with the fields of a record but key and id. */
const staticInstance = z.union([shortInstance, instance], {
  error: 'an instance as host:port, or a mapping with host and port',
});

/** Those of one service; address and port are what tells them apart. */
const staticInstances = z.array(staticInstance, { error: 'a list of instances' }).superRefine((list, context) => {
  const seen = new Set<string>();
  for (const [index, { host, port }] of list.entries()) {
    const id = `${unbracketed(host)} ${port}`;
    if (seen.has(id)) context.addIssue({ code: 'custom', message: 'each host and port once', path: [index] });
    seen.add(id);
  }
});

function unbracketed(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1');
}

/** `registry.guard`: what protects callers from a registry that suddenly forgets. */
export const guard = z
  .strictObject({
    emptyConfirm: duration({ minMs: 0 })
      .prefault('5s')
      .describe('A list that became empty, or shrank too much, counts only if a second read this much later agrees.'),
    shrinkRatio: number(0, 1)
      .default(0.5)
      .describe('Losing more than this share of a list at once needs confirmation. 1 = only an empty list does.'),
    hold: duration()
      .prefault('10m')
      .describe(
        'Longest time that instances which vanished without a word are kept, last choice, while their probes pass.',
      ),
  })
  .transform(({ emptyConfirm, hold, shrinkRatio }) => ({ emptyConfirmMs: emptyConfirm, holdMs: hold, shrinkRatio }));

/** `registry:` whole. */
export const registry = z
  .strictObject({
    type: z
      .enum(REGISTRY_TYPES, {
        error: `${REGISTRY_TYPES.slice(0, -1).join(', ')} or ${REGISTRY_TYPES.at(-1) ?? ''}`,
      })
      .default('file')
      .describe(
        '`file`: a directory shared by the sidecars of one host, no server needed. `static`: the list below. The others: ' +
          'a server, described in the section of its name.',
      ),
    ttl: duration({ minMs: 500 })
      .prefault('10s')
      .describe(
        'Time without a sign of life after which the registry may forget our record; renewed at a third of it, at least ' +
          'every 4 s. Trap: shorter means dead copies go sooner, and a long pause of the host takes living ones away.',
      ),
    file: z
      .strictObject({
        directory: path('a directory')
          .optional()
          .describe(
            'Where the records lie. Default: `pilotfish-<uid>` in the temporary directory; one user, one host.',
          ),
      })
      .prefault({})
      .describe('Of the `file` registry.'),
    etcd,
    consul,
    nacos,
    dns,
    static: z
      .record(text('the name of a service'), staticInstances)
      .default({})
      .describe('Of the `static` registry: service names, each with its instances.'),
    snapshots: path('a directory')
      .optional()
      .describe(
        'Directory for the last good lists, read when the registry is away at a start. Default: none are kept.',
      ),
    guard: guard.prefault({}).describe('When a shrinking list is believed.'),
    allowLoopback: flag()
      .optional()
      .describe(
        'Accept records with loopback addresses. Default: true with `file` and `static`, and where our own advertised ' +
          'address is loopback, else false.',
      ),
  })
  .transform(({ ttl, static: lists, ...rest }) => ({
    ...rest,
    ttlMs: ttl,
    static: new Map(Object.entries(lists)),
  }))
  .describe('Where services are registered and found.');

/** A record of the `static` registry: a ServiceInstance without key and id. */
export type StaticInstance = Readonly<z.output<typeof instance>>;
