// The registries that are broken: the embedded one, and etcd where there is one.
import { etcdRegistry } from './etcd.mjs';
import { fileRegistry } from './file.mjs';

/**
 * @typedef {object} Records     of the service, one for each endpoint
 * @property {(i: number, weight: number) => Promise<unknown>} put  `i`: index of the endpoint
 * @property {(i: number) => Promise<unknown>} remove
 *
 * @typedef {object} Broken       a registry that is ours to break
 * @property {string} yaml        `registry:` in one line
 * @property {string} flapArgument  what flap.mjs finds it by
 * @property {() => Promise<void>} kill
 * @property {(count: number) => Promise<unknown>} keepOnly  removes all records but so many, at once
 * @property {() => Promise<void>} close
 *
 * @typedef {object} RegistryKind
 * @property {'file' | 'etcd'} id
 * @property {string} title
 * @property {() => string | undefined} missing
 * @property {(where: { directory: string, core: number, endpoints: number[] }) => Promise<Broken>} open  with a record for
 *   each endpoint, in order
 */

/** @type {readonly RegistryKind[]} */
export const REGISTRIES = [fileRegistry, etcdRegistry];
