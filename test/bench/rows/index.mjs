// The rows of every table, in the order in which they are printed.
import { envoy } from './envoy.mjs';
import { haproxy } from './haproxy.mjs';
import { nginx } from './nginx.mjs';
import { pilotfish, pilotfishWithLog } from './pilotfish.mjs';
import { handCodec, nodeHttp } from './sketches.mjs';
import { traefik } from './traefik.mjs';

/**
 * @typedef {object} Where
 * @property {string} directory  empty, for configuration and whatever the proxy writes
 * @property {number} port       where it takes requests
 * @property {number} adminPort
 * @property {Record<string, number[]>} services  name → ports of its copies on 127.0.0.1
 * @property {number} [silentClientsMs]  how long a connection may stay silent, where the default would close it
 * @property {string[]} [nodeOptions]    for rows that Node runs
 *
 * @typedef {object} Launch
 * @property {string[]} argv
 * @property {string} [cwd]
 * @property {string} [stdoutFile]
 * @property {{ port: number, path: string, host?: string }} ready  answers 200 once requests can be served
 *
 * @typedef {object} Row
 * @property {string} id
 * @property {string} title
 * @property {boolean} [sketch]  measured in blocks A and C only
 * @property {() => string | undefined} missing  why it cannot be measured here
 * @property {() => string} version
 * @property {(where: Where) => Launch} launch   writes the configuration
 */

/** @type {readonly Row[]} */
export const allRows = [nginx, haproxy, handCodec, pilotfish, pilotfishWithLog, envoy, nodeHttp, traefik];
