// `registry.consul`: which agent, who we are there, and how the way to it is secured. Read by adapters/consul/options.ts.
import { z } from 'zod';
import { flag, path, text } from './scalar.ts';
import { CONSUL_ADDRESS, serverAddress } from './server-address.ts';

const tls = z
  .strictObject({
    enabled: flag()
      .optional()
      .describe(
        'True: TLS with the authorities of the system. Default: true where a file is given or the address is https.',
      ),
    ca: path('a PEM file')
      .optional()
      .describe('Authority that the agent’s certificate must come from. Default: CONSUL_CACERT.'),
    cert: path('a PEM file')
      .optional()
      .describe('Our own certificate, where the agent asks for one. Default: CONSUL_CLIENT_CERT.'),
    key: path('a PEM file').optional().describe('Its key. Default: CONSUL_CLIENT_KEY.'),
    serverName: text('a host name')
      .optional()
      .describe('Name in the agent’s certificate, where it is not the address’s. Default: CONSUL_TLS_SERVER_NAME.'),
  })
  .describe('Secures the way to the agent. The files are read again when they change.');

/** `registry.consul`. */
export const consul = z
  .strictObject({
    address: serverAddress(CONSUL_ADDRESS)
      .optional()
      .describe(
        'The agent: `host:port`, `https://host:port` or `unix:///path`. Default: CONSUL_HTTP_ADDR, else 127.0.0.1:8500.',
      ),
    datacenter: text('the name of a datacenter')
      .optional()
      .describe('Where services are looked up. Default: the agent’s own. Trap: registrations are always the agent’s.'),
    namespace: text('the name of a namespace').optional().describe('Enterprise only.'),
    partition: text('the name of a partition').optional().describe('Enterprise only.'),
    token: text('a token', 512)
      .optional()
      .describe(
        'ACL token. Default: CONSUL_HTTP_TOKEN. Needs service:write for our own name, service:read and node:read.',
      ),
    tokenFile: path('a file with a token')
      .optional()
      .describe('The same in a file, read again when it changes; wins over `token`. Default: CONSUL_HTTP_TOKEN_FILE.'),
    tls: tls.optional(),
  })
  .prefault({})
  .describe('Of the `consul` registry; Consul’s own variables fill what is missing.');
