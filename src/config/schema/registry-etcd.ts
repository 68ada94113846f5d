// `registry.etcd`: which servers, how records are spelled there, and who we are. Read by adapters/etcd/options.ts.
import { z } from 'zod';
import { isKeyPair } from '../../util/key-pair.ts';
import { parseServerAddress } from '../../util/server-address.ts';
import { path, text } from './scalar.ts';
import { ETCD_ADDRESS, serverAddress } from './server-address.ts';

const tls = z
  .strictObject({
    ca: path('a PEM file')
      .optional()
      .describe('Authority that the servers’ certificates must come from. Default: ETCDCTL_CACERT, else the system’s.'),
    cert: path('a PEM file')
      .optional()
      .describe('Our own certificate, where servers ask for one. Default: ETCDCTL_CERT.'),
    key: path('a PEM file').optional().describe('Its key. Default: ETCDCTL_KEY.'),
  })
  .refine(isKeyPair, { error: 'cert and key, or neither' })
  .describe('Secures the way to servers with https. The files are read again when they change.');

/** `registry.etcd`. */
export const etcd = z
  .strictObject({
    endpoints: z
      .array(serverAddress(ETCD_ADDRESS), { error: 'a list of http or https URLs' })
      .min(1, { error: 'at least one URL' })
      .max(32, { error: 'at most 32 URLs' })
      .refine((urls) => schemesOf(urls).size < 2, { error: 'all with http, or all with https' })
      .optional()
      .describe(
        'Members of one cluster, all with `http://host:port` or all with `https://host:port`. Default: ETCDCTL_ENDPOINTS, ' +
          'else http://127.0.0.1:2379.',
      ),
    prefix: text('what keys begin with', 1024)
      .optional()
      .describe('What all keys begin with. Default: `/pilotfish`; `/microservices` for `kratos`, nothing for `grpc`.'),
    format: z
      .enum(['pilotfish', 'grpc', 'kratos'], { error: 'pilotfish, grpc or kratos' })
      .default('pilotfish')
      .describe(
        'How records are spelled: ours, as etcd’s own naming client for gRPC does, or as go-kratos does. Trap: only ours ' +
          'has namespaces and groups.',
      ),
    username: text('the name of a user').optional().describe('Default: ETCDCTL_USER.'),
    password: text('a password', 1024)
      .optional()
      .describe('Default: ETCDCTL_PASSWORD, or what follows the colon in ETCDCTL_USER.'),
    passwordFile: path('a file with the password')
      .optional()
      .describe('The same in a file, read again when it changes; wins over `password`.'),
    tls: tls.optional(),
  })
  .refine(({ username, password }) => password === undefined || username !== undefined, {
    path: ['username'],
    error: 'the user whose password is given',
  })
  .refine(
    ({ endpoints = [], tls: files = {} }) => Object.keys(files).length === 0 || !schemesOf(endpoints).has('http'),
    {
      path: ['tls'],
      error: 'no files where the endpoints say http',
    },
  )
  .prefault({})
  .describe('Of the `etcd` registry; the variables of etcd’s own tools fill what is missing.');

/** The schemes that are written out. */
function schemesOf(urls: readonly string[]): Set<string> {
  return new Set(urls.flatMap((url) => parseServerAddress(url)?.scheme ?? []));
}
