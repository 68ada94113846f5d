// `service:` our own service: what is registered, where the app listens, how its health is told.
import { z } from 'zod';
import { checkOptions, grpcService, healthPath, onlyOneProbe } from './health-probe.ts';
import { hostClass } from '../../util/host-class.ts';
import { isHostName } from '../../util/host-name.ts';
import { isTooMuchMetadata, MAX_METADATA_BYTES, MAX_METADATA_ENTRIES } from '../../util/metadata.ts';
import { duration, endpoint, integer, metadataValue, parseHostPort, readText, text } from './scalar.ts';
import { isIP } from 'node:net';

/** `service.health`: checked by this sidecar, and what the registration depends on. */
export const health = z
  .strictObject({
    http: healthPath().describe('`GET` of this path on the app; well is 200 to 399. Redirects are not followed.'),
    tcp: z.literal(true, { error: 'true' }).optional().describe('A connection to the app can be made. The default.'),
    grpc: grpcService().describe('`grpc.health.v1.Health/Check` of this service name; `""` asks for the whole server.'),
    interval: duration({ minMs: 10 }).prefault('2s').describe('Time between two checks.'),
    timeout: duration().prefault('1s').describe('A check that takes longer has failed.'),
    rise: integer(1, 100).default(1).describe('Passing checks in a row before the app counts as well.'),
    fall: integer(1, 100).default(3).describe('Failing checks in a row before the app counts as down.'),
  })
  .refine(onlyOneProbe, { error: 'only one of http, tcp and grpc' })
  .transform(checkOptions);

/** Host and port that others reach us at; what is undefined is found out when the listener is bound. */
export interface Advertise {
  readonly host: string | undefined;
  readonly port: number | undefined;
}

/** `service:` whole; `name` and `app` are the only fields without a default. */
export const service = z
  .strictObject({
    name: text('the name of this service').describe('Name under which the app is registered and called.'),
    app: endpoint('the address of the app').describe(
      'Where the app listens. The sidecar connects to it from this host.',
    ),
    id: text('an id of this copy')
      .optional()
      .describe(
        'Identity of this copy in the registry, stable over restarts. Default `<service>-<host>-<port>` of the advertised ' +
          'address. Trap: two copies with one id fight for one record; the newcomer yields (`conflict`).',
      ),
    weight: integer(0, 1000)
      .default(100)
      .describe('Share of traffic relative to the other copies; 100 is ordinary, 0 takes no new traffic.'),
    zone: text('the name of a zone').optional().describe('Failure zone of this copy, such as `eu-1a`.'),
    tags: z.array(text('a tag')).max(128).default([]).describe('Free labels, kept with the record.'),
    metadata: z
      .record(text('a key of metadata'), metadataValue())
      .refine((metadata) => !isTooMuchMetadata(metadata), {
        error: `at most ${MAX_METADATA_ENTRIES} pairs, of ${MAX_METADATA_BYTES} bytes together`,
      })
      .default({})
      .describe(
        'Free key-value pairs, kept with the record: at most 256, of 16 KiB together. Trap: unquoted, `2.10` is the number 2.1; quote versions.',
      ),
    advertise: readText<Advertise>(
      'host[:port]',
      'a host that others reach us at (not 0.0.0.0, no link-local address), as host or host:port',
      parseAdvertise,
    )
      .optional()
      .describe(
        'Address that others reach the inbound listener at. Default: the first non-loopback address and the real inbound ' +
          'port; with the `file` registry `127.0.0.1`. Trap: behind NAT or in a bridged container neither is what others see.',
      ),
    health: health.prefault({}).describe('Check of the app. It is registered only while the check passes.'),
  })
  .describe('Our own service. Left out, the sidecar only calls others, and no inbound listener is bound.');

/** What every registry would refuse in our record is refused here, where it can be told with its place. */
function parseAdvertise(value: string): Advertise | undefined {
  const address = parseAddress(value);
  return address?.host === undefined || hostClass(address.host) === 'refused' ? undefined : address;
}

function parseAddress(value: string): Advertise | undefined {
  if (isIP(value) !== 0 || isHostName(value)) return { host: value, port: undefined };
  const bracketed = /^\[([^\]]+)\]$/.exec(value)?.[1];
  if (bracketed !== undefined && isIP(bracketed) === 6) return { host: bracketed, port: undefined };
  return parseHostPort(value, 1);
}
