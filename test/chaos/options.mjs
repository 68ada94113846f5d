// Command line of the chaos suite: which faults, how long, beside whom.
import { parseArgs } from 'node:util';

export const HELP = `npm run chaos -- [options]

  --only a,b     faults by id (--list)
  --seconds N    of load after each fault begins, instead of its own length
  --short        most faults, a few seconds each, what is a matter of time told and not judged: for CI
  --peers        HAProxy and Envoy on the same faults, where they are installed (test/bench/install-peers.sh)
  --proxies a,b  these alone: pilotfish, haproxy, envoy
  --cores P,L    core of the proxy, core of everything else (default: the last core, the first)
  --realtime     everything at real-time priority (root), for a machine that has other work to do
  --json FILE    the raw results
  --from A,B     raw results of earlier runs, later ones before earlier ones; nothing is played but what --only names
  --write        write docs/faults.md
  --list         faults, proxies and what is missing
  --help

Exit codes: 0 Pilotfish passed every bar that was judged, 1 it missed one, 2 a fault could not be played.
`;

/**
 * @typedef {object} Options
 * @property {string[] | undefined} only
 * @property {number | undefined} seconds
 * @property {boolean} isShort
 * @property {string[]} proxies
 * @property {{ proxy: number, load: number } | undefined} cores
 * @property {boolean} realtime
 * @property {string | undefined} json
 * @property {string[]} from
 * @property {boolean} write
 * @property {boolean} list
 * @property {boolean} help
 */

/** @param {string[]} args @returns {Options} */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      only: { type: 'string' },
      seconds: { type: 'string' },
      short: { type: 'boolean', default: false },
      peers: { type: 'boolean', default: false },
      proxies: { type: 'string' },
      cores: { type: 'string' },
      realtime: { type: 'boolean', default: false },
      json: { type: 'string' },
      from: { type: 'string' },
      write: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const { only, seconds, short: isShort, peers, proxies, cores, realtime, json, from, write, list, help } = values;
  if (seconds !== undefined && !(Number(seconds) >= 1))
    throw new Error(`--seconds ${seconds}: expected a number from 1`);
  return {
    only: only?.split(',') ?? (from === undefined ? undefined : []),
    seconds: seconds === undefined ? undefined : Number(seconds),
    isShort,
    proxies: proxies?.split(',') ?? ['pilotfish', ...(peers ? ['haproxy', 'envoy'] : [])],
    cores: coresOf(cores),
    realtime,
    json,
    from: from?.split(',') ?? [],
    write,
    list,
    help,
  };
}

/** @param {string | undefined} text */
function coresOf(text) {
  if (text === undefined) return undefined;
  const match = /^(\d+),(\d+)$/.exec(text);
  if (match === null) throw new Error(`--cores ${text}: expected two cores, as 1,0`);
  return { proxy: Number(match[1]), load: Number(match[2]) };
}
