// Who is put to the test: Pilotfish by its defaults, and on request its peers as somebody who knows them well sets them up.
import { envoy } from './envoy.mjs';
import { haproxy } from './haproxy.mjs';
import { pilotfish } from './pilotfish.mjs';

/**
 * @typedef {object} Where
 * @property {string} directory   empty, for configuration and whatever the proxy writes
 * @property {number} port        where it takes requests
 * @property {number} adminPort
 * @property {number[]} ports     of the endpoints, on 127.0.0.1
 * @property {number} files       open files that the process may have
 * @property {string} [registry]  Pilotfish: `registry:` as YAML in one line; default: a static list of `ports`
 * @property {string} [upstream]  Pilotfish: `upstreams: { orders: … }` as YAML in one line; default: `{}`
 *
 * @typedef {object} ProxyKind
 * @property {string} id
 * @property {string} title
 * @property {boolean} isPeer
 * @property {() => string | undefined} missing  why it cannot be run here
 * @property {() => string} version
 * @property {(where: Where) => { argv: string[], cwd?: string, ready: { port: number, path: string, host: string } }} launch
 */

/** @type {readonly ProxyKind[]} */
export const PROXIES = [pilotfish, haproxy, envoy];
