// A real etcd of one member, with records of ours in it.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { noop } from 'cockatiel';
import { Etcd3 } from 'etcd3';
import { find } from '../../bench/find.mjs';
import { start, stop } from '../../bench/processes.mjs';
import { freePorts } from '../../bench/wait.mjs';
import { SERVICE } from '../service.mjs';

const PREFIX = `/pilotfish/default/default/${SERVICE}/`;
const START_MS = 20_000;
const ASK_MS = 100;

/**
 * The keys of the service's records.
 * @param {string} address @param {readonly number[]} endpoints
 * @returns {import('./index.mjs').Records & { close: () => void }}
 */
export function etcdRecords(address, endpoints) {
  const client = new Etcd3({
    hosts: `http://${address}`,
    dialTimeout: 3_000,
    faultHandling: { host: () => noop, global: noop }, // a server that only starts is no reason to stop asking
  });
  const value = (/** @type {number} */ i, /** @type {number} */ weight) =>
    JSON.stringify({ v: 1, host: '127.0.0.1', port: endpoints[i], weight });
  return {
    put: (i, weight) => client.put(`${PREFIX}copy-${i}`).value(value(i, weight)).exec(),
    remove: (i) => client.delete().key(`${PREFIX}copy-${i}`).exec(),
    close: () => client.close(),
  };
}

/** @type {import('./index.mjs').RegistryKind} */
export const etcdRegistry = {
  id: 'etcd',
  title: 'etcd',
  missing: () => (find('etcd') === undefined ? 'no etcd found: apt-get install etcd-server' : undefined),
  async open({ directory, core, endpoints }) {
    const [port, peerPort] = await freePorts(2);
    const argv = [
      find('etcd') ?? '',
      ...['--name', 'm', '--data-dir', join(directory, 'etcd'), '--log-level', 'error'],
      ...['--listen-client-urls', `http://127.0.0.1:${port}`, '--advertise-client-urls', `http://127.0.0.1:${port}`],
      ...['--listen-peer-urls', `http://127.0.0.1:${peerPort}`],
      ...['--initial-advertise-peer-urls', `http://127.0.0.1:${peerPort}`],
      ...['--initial-cluster', `m=http://127.0.0.1:${peerPort}`, '--unsafe-no-fsync'],
    ];
    const one = start({ name: 'etcd', argv, core });
    const records = etcdRecords(`127.0.0.1:${port}`, endpoints);
    const end = performance.now() + START_MS;
    for (;;) {
      try {
        await records.put(0, 100);
        break;
      } catch (error) {
        if (performance.now() > end || !one.alive())
          throw new Error(`etcd: ${String(error)} ${one.complaint()}`, { cause: error });
        await sleep(ASK_MS);
      }
    }
    await Promise.all(endpoints.map((_, i) => records.put(i, 100)));
    return {
      yaml: `{ type: etcd, allowLoopback: true, etcd: { endpoints: ["http://127.0.0.1:${port}"] } }`,
      flapArgument: `127.0.0.1:${port}`,
      kill: () => stop(one),
      keepOnly: (count) => Promise.all(endpoints.slice(count).map((_, i) => records.remove(count + i))),
      close: async () => {
        records.close();
        await stop(one);
      },
    };
  },
};
