// Command line of the bench: which blocks, which rows, how long.
import { parseArgs } from 'node:util';

const BLOCKS = ['A', 'B', 'C', 'D', 'E', 'F', 'G'];

export const HELP = `npm run bench -- [options]

  --quick            short rounds: a look, not a result (never written to docs/benchmarks.md)
  --only A,B         blocks: A requests, B idle connections, C large bodies, D many services, E start, F kill,
                     G many clients
  --rows a,b         rows by id: nginx, haproxy, envoy, traefik, pilotfish, pilotfish-log, node-http, handcodec
  --rounds N         rounds of every block instead of its own number
  --seconds N        length of one measurement of blocks A, C and G
  --cores P,L        core of the proxy, core of load generator and backends (default: the last core, the first)
  --json FILE        the raw results
  --write            write docs/benchmarks.md although not every block or row ran
  --list             rows, versions and what is missing
  --help

bench:profile        block A's load on the sidecar under --cpu-prof, then its top self times
  --seconds N  --top N  --log (with the access log)  --keep FILE (copy of the .cpuprofile)  --row ID (any row run by node)
  --path PATH (instead of /: /64k, /10m)
`;

/**
 * @typedef {object} Options
 * @property {boolean} quick
 * @property {string[]} blocks
 * @property {boolean} isEveryBlock
 * @property {string[] | undefined} rows  ids; undefined: all
 * @property {number | undefined} rounds
 * @property {number | undefined} seconds
 * @property {{ proxy: number, load: number } | undefined} cores
 * @property {string | undefined} json
 * @property {boolean} write
 * @property {boolean} list
 * @property {boolean} help
 * @property {{ top: number, log: boolean, keep: string | undefined, row: string | undefined, path: string }} profile
 */

/** @param {string[]} argv @returns {Options} */
export function readOptions(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      rows: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      cores: { type: 'string' },
      json: { type: 'string' },
      write: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      top: { type: 'string', default: '30' },
      log: { type: 'boolean', default: false },
      keep: { type: 'string' },
      row: { type: 'string' },
      path: { type: 'string', default: '/' },
    },
  });
  const blocks = values.only === undefined ? BLOCKS : values.only.toUpperCase().split(',');
  for (const block of blocks) {
    if (!BLOCKS.includes(block)) throw new Error(`--only ${block}: expected some of ${BLOCKS.join(',')}`);
  }
  return {
    quick: values.quick,
    blocks,
    isEveryBlock: blocks.length === BLOCKS.length,
    rows: values.rows?.split(','),
    rounds: positive('--rounds', values.rounds),
    seconds: positive('--seconds', values.seconds),
    cores: cores(values.cores),
    json: values.json,
    write: values.write,
    list: values.list,
    help: values.help,
    profile: {
      top: positive('--top', values.top) ?? 30,
      log: values.log,
      keep: values.keep,
      row: values.row,
      path: values.path,
    },
  };
}

/** @param {string} name @param {string | undefined} text */
function positive(name, text) {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${name} ${text}: expected a number above 0`);
  return value;
}

/** @param {string | undefined} text */
function cores(text) {
  if (text === undefined) return undefined;
  const match = /^(\d+),(\d+)$/.exec(text);
  if (match === null || match[1] === match[2]) throw new Error(`--cores ${text}: expected two different cores, as 1,0`);
  return { proxy: Number(match[1]), load: Number(match[2]) };
}
