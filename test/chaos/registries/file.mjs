// The embedded registry with records of ours in it: a directory with one file for each instance.
import { mkdirSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { SERVICE } from '../service.mjs';

/** As long as a record may live without a heartbeat: these have none. */
const TTL_MS = 3_600_000;

/** The files of the service's records. @param {string} root @param {readonly number[]} endpoints @returns {import('./index.mjs').Records} */
export function fileRecords(root, endpoints) {
  const directory = join(root, 'default', 'default', SERVICE);
  const path = (/** @type {number} */ i) => join(directory, `copy-${i}.json`);
  mkdirSync(directory, { recursive: true });
  return {
    put(i, weight) {
      const temporary = join(directory, '.new-0000000000000000');
      writeFileSync(temporary, JSON.stringify({ v: 1, host: '127.0.0.1', port: endpoints[i], weight, ttlMs: TTL_MS }));
      renameSync(temporary, path(i));
      return Promise.resolve();
    },
    remove(i) {
      unlinkSync(path(i));
      return Promise.resolve();
    },
  };
}

/** @type {import('./index.mjs').RegistryKind} */
export const fileRegistry = {
  id: 'file',
  title: 'file registry',
  missing: () => undefined,
  async open({ directory, endpoints }) {
    const root = join(directory, 'registry');
    const records = fileRecords(root, endpoints);
    await Promise.all(endpoints.map((_, i) => records.put(i, 100)));
    return {
      yaml: `{ type: file, file: { directory: ${root} } }`,
      flapArgument: root,
      kill: () => rename(root, `${root}-gone`),
      keepOnly: (count) => Promise.all(endpoints.slice(count).map((_, i) => records.remove(count + i))),
      close: () => Promise.resolve(),
    };
  },
};
