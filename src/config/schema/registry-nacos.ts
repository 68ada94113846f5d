// `registry.nacos`: which servers, who we are there, and how they are spoken to. Read by adapters/nacos/options.ts.
import { z } from 'zod';
import { isKeyPair } from '../../util/key-pair.ts';
import { integer, path, text } from './scalar.ts';
import { NACOS_ADDRESS, serverAddress } from './server-address.ts';

const tls = z
  .strictObject({
    ca: path('a PEM file')
      .optional()
      .describe('Authority that the servers’ certificates must come from. Default: the system’s.'),
    cert: path('a PEM file').optional().describe('Our own certificate, where the servers ask for one.'),
    key: path('a PEM file').optional().describe('Its key.'),
    serverName: text('a host name').optional().describe('Name in the certificate, where it is not the address’s.'),
  })
  .refine(isKeyPair, { error: 'cert and key, or neither' })
  .describe('Secures gRPC and the login. The files are read anew at each connection.');

/** `registry.nacos`. */
export const nacos = z
  .strictObject({
    endpoints: z
      .array(serverAddress(NACOS_ADDRESS), { error: 'a list of servers' })
      .optional()
      .describe(
        'The servers, each as `host:port` or `https://host:port` of the HTTP port. Default: NACOS_ADDR, else ' +
          '127.0.0.1:8848.',
      ),
    namespace: text('the id of a namespace', 64)
      .optional()
      .describe('Id of the namespace, not its name. Default: NACOS_NAMESPACE, else `public`.'),
    group: text('the name of a group', 128).optional().describe('Group of services. Default: `DEFAULT_GROUP`.'),
    driver: z
      .enum(['grpc', 'http', 'auto', 'legacy'], { error: 'grpc, http, auto or legacy' })
      .optional()
      .describe(
        '`grpc` (default): Nacos 2.0 and later. `http`: heartbeats and polling, where only the HTTP port can be reached. ' +
          '`legacy`: the API v1 of old servers, through the npm package `nacos`. `auto`: the first of these three that ' +
          'answers, told in the log.',
      ),
    grpcPortOffset: integer(-65_000, 65_000).optional().describe('From the HTTP port to gRPC’s. Default: 1000.'),
    contextPath: text('a path').optional().describe('Where the HTTP API is. Default: `/nacos`.'),
    maxMetadataBytes: integer(0, 16_384)
      .optional()
      .describe(
        'Metadata that a record may have. Default: 512, since servers refuse records with more than 1,024 characters in ' +
          'all (`nacos.core.param.check.enabled`). Trap: more than the server takes means not registered.',
      ),
    username: text('a user').optional().describe('Default: NACOS_USERNAME. Without one there is no login.'),
    password: text('a password', 512).optional().describe('Default: NACOS_PASSWORD.'),
    passwordFile: path('a file with the password')
      .optional()
      .describe('The same in a file, read anew at each login; wins over `password`.'),
    tls: tls.optional(),
  })
  .prefault({})
  .describe('Of the `nacos` registry; variables that Nacos’ own tools know fill what is missing.');
