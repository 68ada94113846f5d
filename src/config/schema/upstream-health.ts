// `upstreams.<alias>.health`: asking endpoints whether they are well, beside what their traffic says.
import { z } from 'zod';
import { duration, integer } from './scalar.ts';
import { checkOptions, grpcService, healthPath, onlyOneProbe } from './health-probe.ts';

/** `upstreams.<alias>.health`; without it nothing is asked. */
export const upstreamHealth = z
  .strictObject({
    http: healthPath().describe('`GET` of this path on each endpoint; well is 200 to 399. Redirects are not followed.'),
    tcp: z.literal(true, { error: 'true' }).optional().describe('A connection can be opened. The default.'),
    grpc: grpcService().describe('`grpc.health.v1.Health/Check` of this service; `""` asks for the whole server.'),
    interval: duration({ minMs: 100 })
      .prefault('5s')
      .describe(
        'Time between two checks of one endpoint, give or take a tenth. While a change is being counted, and until the first ' +
          'check has passed, they come every 200 ms; of an endpoint that is out, every second at least.',
      ),
    timeout: duration().prefault('1s').describe('A check that takes longer has failed.'),
    rise: integer(1, 100).default(2).describe('Passing checks in a row that bring an unhealthy endpoint back.'),
    fall: integer(1, 100)
      .default(3)
      .describe('Failing checks in a row before an endpoint counts as unhealthy; of a new one the first decides.'),
  })
  .refine(onlyOneProbe, { error: 'only one of http, tcp and grpc' })
  .transform(checkOptions);
