// What the kernel says of a process and all its children: CPU time, resident memory, descriptors.
import { readFileSync, readdirSync } from 'node:fs';

/** Nanoseconds of one clock tick of /proc/<pid>/stat: USER_HZ is 100 on every Linux that Node runs on. */
const TICK_NS = 10_000_000;

/** `pid` and all its living descendants. @param {number} pid @returns {number[]} */
export function processTree(pid) {
  /** @type {Map<number, number[]>} */
  const children = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const fields = statFields(Number(name));
    if (fields === undefined) continue;
    const parent = Number(fields[1]);
    const list = children.get(parent);
    if (list === undefined) children.set(parent, [Number(name)]);
    else list.push(Number(name));
  }
  const tree = [pid];
  for (let i = 0; i < tree.length; i++) tree.push(...(children.get(tree[i]) ?? []));
  return tree;
}

/** User + system time of the whole tree so far, in nanoseconds. @param {number} pid */
export function treeCpuNs(pid) {
  let sum = 0;
  for (const one of processTree(pid)) sum += Math.max(schedCpuNs(one), statCpuNs(one));
  return sum;
}

/** Resident bytes of the whole tree; pages that processes share are counted once per process. @param {number} pid */
export function treeRssBytes(pid) {
  let sum = 0;
  for (const one of processTree(pid)) {
    const match = /^VmRSS:\s+(\d+) kB/m.exec(read(`/proc/${one}/status`) ?? '');
    if (match !== null) sum += Number(match[1]) * 1024;
  }
  return sum;
}

/** Open descriptors of the whole tree. @param {number} pid */
export function treeDescriptors(pid) {
  let sum = 0;
  for (const one of processTree(pid)) {
    try {
      sum += readdirSync(`/proc/${one}/fd`).length;
    } catch {
      // gone meanwhile
    }
  }
  return sum;
}

/** Busy nanoseconds of one core since boot, all processes. @param {number} core */
export function coreBusyNs(core) {
  const line = new RegExp(`^cpu${core} (.*)$`, 'm').exec(read('/proc/stat') ?? '')?.[1];
  if (line === undefined) return 0;
  const [user, nice, system, , , irq, softirq, steal] = line.split(' ').map(Number);
  return (user + nice + system + irq + softirq + steal) * TICK_NS;
}

/** Of the living threads, exact. @param {number} pid */
function schedCpuNs(pid) {
  let sum = 0;
  try {
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      sum += Number(read(`/proc/${pid}/task/${task}/schedstat`)?.split(' ')[0] ?? 0);
    }
  } catch {
    return 0; // gone meanwhile
  }
  return sum;
}

/** Of all threads, ended ones too, in whole ticks. @param {number} pid */
function statCpuNs(pid) {
  const fields = statFields(pid);
  return fields === undefined ? 0 : (Number(fields[11]) + Number(fields[12])) * TICK_NS;
}

/** The fields after the command name, which may hold blanks: [state, ppid, …]. @param {number} pid */
function statFields(pid) {
  const text = read(`/proc/${pid}/stat`);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
