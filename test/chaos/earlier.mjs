// Results of several runs as those of one: a suite of half an hour can be played in pieces, and a fault again.
import { readFileSync } from 'node:fs';
import { parse } from '../bench/json.mjs';
import { FAULTS } from './faults/index.mjs';

/** What `--json` has written. @param {string} file @returns {import('./run.mjs').Result[]} */
export function readResults(file) {
  return parse(readFileSync(file, 'utf8'));
}

/** In the order of the faults; of the same fault and proxy the last one counts. @param {import('./run.mjs').Result[][]} runs */
export function mergeResults(runs) {
  return FAULTS.flatMap((fault) => {
    const all = runs.flat().filter((result) => result.fault.id === fault.id);
    const last = all.at(-1);
    if (last === undefined) return [];
    /** @type {Map<string, import('./run.mjs').Row>} */
    const rows = new Map();
    for (const row of all.flatMap((result) => result.rows)) rows.set(row.proxy, row);
    return [{ ...last, fault, rows: [...rows.values()] }];
  });
}
