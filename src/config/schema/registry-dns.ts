// `registry.dns`: which names stand for services, and who is asked. Read by adapters/dns/options.ts.
import { z } from 'zod';
import { integer, text } from './scalar.ts';

/** `registry.dns`. */
export const dns = z
  .strictObject({
    servers: z
      .array(text('an IP address, with or without a port'))
      .max(8)
      .optional()
      .describe('Resolvers, such as `10.0.0.2` or `127.0.0.1:8600`. Default: those of the system.'),
    name: text('a host name with {service} in it')
      .default('{service}')
      .describe(
        'What is looked up, with `{service}`, `{group}`, `{namespace}` filled in: `{service}.{namespace}.svc.cluster.local`. ' +
          'Trap: neither search domains nor the hosts file are used.',
      ),
    type: z
      .enum(['a', 'srv'], { error: 'a or srv' })
      .optional()
      .describe(
        '`a`: A and AAAA records. `srv`: SRV records with weights. Default: `a` where a port is given, else `srv`.',
      ),
    port: integer(1, 65_535).optional().describe('Port of all instances: A and AAAA records have none.'),
  })
  .prefault({})
  .describe('Of the `dns` registry, which only finds: records are made by whoever runs the name server.');
