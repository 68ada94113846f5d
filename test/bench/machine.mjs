// What the figures were taken on.
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { find, version } from './find.mjs';
import { isOwnNetwork } from './namespace.mjs';

/** @param {import('./context.mjs').Context} context */
export function machine({ cores, backend }) {
  const name = /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux';
  return {
    cpu: cpus()[0]?.model.trim() ?? '?',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${name}, Linux ${release()}`,
    network: isOwnNetwork
      ? 'loopback of a namespace of its own: no packet filter, no other traffic'
      : 'loopback of the machine, with whatever filters its packets',
    node: process.versions.node,
    wrk: version(find('wrk') ?? 'wrk', ['-v']),
    backend: backend.title,
    proxyCore: cores.proxy,
    loadCore: cores.load,
  };
}
