// Changes the records of a registry so many times a second: half of the changes remove or bring back an instance, the others
// change a weight. In the end all are there. Prints {"changes":…,"seconds":…}.
// node flap.mjs '{"registry":"file"|"etcd","where":…,"endpoints":[…],"perSecond":1000,"seconds":30}'
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from '../bench/json.mjs';
import { etcdRecords } from './registries/etcd.mjs';
import { fileRecords } from './registries/file.mjs';

/** @type {{ registry: 'file' | 'etcd', where: string, endpoints: number[], perSecond: number, seconds: number }} */
const { registry, where, endpoints, perSecond, seconds } = parse(process.argv[2] ?? '{}');
const records = registry === 'file' ? fileRecords(where, endpoints) : etcdRecords(where, endpoints);
/** Calls under way, at most: a registry that cannot follow slows the changes down, which their number tells. */
const MAX_PENDING = 64;
/** @type {Set<Promise<unknown>>} */
const pending = new Set();
const isThere = endpoints.map(() => true);
let turn = 0;
let changes = 0;

const began = performance.now();
const elapsed = () => (performance.now() - began) / 1_000;
while (elapsed() < seconds) {
  const due = Math.min(elapsed(), seconds) * perSecond;
  while (changes < due) {
    if (pending.size >= MAX_PENDING) await Promise.race(pending);
    change();
  }
  await sleep(1);
}
await Promise.all(pending);
const took = elapsed();
for (const [i, there] of isThere.entries()) if (!there) await records.put(i, 100);
process.stdout.write(`${JSON.stringify({ changes, seconds: took })}\n`, () => process.exit(0));

/** One endpoint after the other, so that no two calls under way concern the same one. */
function change() {
  const i = turn % endpoints.length;
  const pass = Math.floor(turn++ / endpoints.length);
  changes++;
  isThere[i] = !(isThere[i] && (i + pass) % 2 === 0);
  track(isThere[i] ? records.put(i, 50 + (changes % 100)) : records.remove(i));
}

/** @param {Promise<unknown>} call */
function track(call) {
  const one = call.finally(() => pending.delete(one));
  pending.add(one);
}
