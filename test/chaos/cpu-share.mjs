// Makes a process slow, so that a generator on the same machine can ask more of it than it can do: a share of one core, by cgroup.
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const V1 = '/sys/fs/cgroup/cpu';
const V2 = '/sys/fs/cgroup';
const PERIOD_US = 10_000;
/** The most that a group may weigh: what else runs on the machine takes nothing of the share. */
const WEIGHT = { v1: 262_144, v2: 10_000 };

/** Why no share can be set here; undefined where it can. */
export function missingCpuShare() {
  try {
    rmdirSync(make(`pilotfish-chaos-try-${process.pid}`, 0.5));
    return undefined;
  } catch (error) {
    return `no cgroup can be made here: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/**
 * Holds a process to this share of a core; the answer takes the group away, once the process has ended.
 * @param {number} pid @param {number} share
 */
export function setCpuShare(pid, share) {
  const group = make(`pilotfish-chaos-${pid}`, share);
  writeFileSync(join(group, 'cgroup.procs'), String(pid));
  return () => rmdirSync(group);
}

/** @param {string} name @param {number} share */
function make(name, share) {
  const quota = Math.round(PERIOD_US * share);
  const isV1 = existsSync(join(V1, 'cgroup.procs'));
  const group = join(isV1 ? V1 : V2, name);
  if (!isV1 && !readFileSync(join(V2, 'cgroup.subtree_control'), 'utf8').includes('cpu')) {
    writeFileSync(join(V2, 'cgroup.subtree_control'), '+cpu');
  }
  mkdirSync(group, { recursive: true });
  if (isV1) {
    writeFileSync(join(group, 'cpu.cfs_period_us'), String(PERIOD_US));
    writeFileSync(join(group, 'cpu.cfs_quota_us'), String(quota));
    writeFileSync(join(group, 'cpu.shares'), String(WEIGHT.v1));
  } else {
    writeFileSync(join(group, 'cpu.max'), `${quota} ${PERIOD_US}`);
    writeFileSync(join(group, 'cpu.weight'), String(WEIGHT.v2));
  }
  return group;
}
