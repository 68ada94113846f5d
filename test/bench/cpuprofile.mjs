// Reads a .cpuprofile: how a stretch of time divides among functions, by themselves and with all that they called.
import { fileURLToPath } from 'node:url';

/**
 * @typedef {{ functionName: string, url: string, lineNumber: number }} CallFrame
 * @typedef {{ id: number, callFrame: CallFrame, children?: number[] }} Node
 * @typedef {{ nodes: Node[], startTime: number, samples: number[], timeDeltas: number[] }} Profile  times in µs
 */

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Shares of the time between `fromUs` and `toUs` (V8's clock) in which the process was not idle, largest first.
 * @param {Profile} profile @param {number} fromUs @param {number} toUs
 * @returns {{ self: [string, number][], files: [string, number][], inclusive: [string, number][], idle: number }}
 */
export function analyse(profile, fromUs, toUs) {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  /** @type {Map<number, number>} */
  const parents = new Map();
  for (const node of profile.nodes) for (const child of node.children ?? []) parents.set(child, node.id);
  const own = timePerNode(profile, fromUs, toUs);

  let idle = 0;
  let busy = 0;
  /** @type {Map<string, number>} */ const self = new Map();
  /** @type {Map<string, number>} */ const files = new Map();
  /** @type {Map<string, number>} */ const inclusive = new Map();
  for (const [id, us] of own) {
    const frame = /** @type {Node} */ (nodes.get(id)).callFrame;
    if (frame.functionName === '(idle)') {
      idle += us;
      continue;
    }
    busy += us;
    add(self, title(frame), us);
    add(files, place(frame.url), us);
    const seen = new Set(); // a recursion counts once
    for (let at = /** @type {number | undefined} */ (id); at !== undefined; at = parents.get(at)) {
      const name = title(/** @type {Node} */ (nodes.get(at)).callFrame);
      if (seen.has(name) || name === '(root)') continue;
      seen.add(name);
      add(inclusive, name, us);
    }
  }
  const shares = (/** @type {Map<string, number>} */ map) =>
    [...map].map(([name, us]) => /** @type {[string, number]} */ ([name, us / busy])).sort((a, b) => b[1] - a[1]);
  return { self: shares(self), files: shares(files), inclusive: shares(inclusive), idle: idle / (idle + busy) };
}

/** @param {Profile} profile @param {number} fromUs @param {number} toUs */
function timePerNode({ samples, timeDeltas, startTime }, fromUs, toUs) {
  /** @type {Map<number, number>} */
  const own = new Map();
  let at = startTime;
  for (let i = 0; i < samples.length; i++) {
    at += timeDeltas[i];
    // The delta after a sample is the time that it stands for.
    const us = timeDeltas[i + 1] ?? 0;
    if (at >= fromUs && at < toUs && us > 0) own.set(samples[i], (own.get(samples[i]) ?? 0) + us);
  }
  return own;
}

/** @param {CallFrame} frame */
function title({ functionName, url, lineNumber }) {
  const name = functionName === '' ? '(anonymous)' : functionName;
  return url === '' ? name : `${name}  ${place(url)}:${lineNumber + 1}`;
}

/** @param {string} url */
function place(url) {
  if (url === '') return 'native, garbage collector and system';
  return url.startsWith('file://') ? fileURLToPath(url).replace(root, '') : url;
}

/** @param {Map<string, number>} map @param {string} name @param {number} us */
function add(map, name, us) {
  map.set(name, (map.get(name) ?? 0) + us);
}
