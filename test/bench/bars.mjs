// The bars that the project set itself: measured figure, limit, pass or miss.
import { rowOf } from './results.mjs';

/**
 * @typedef {{ title: string, figure: number | undefined, limit: number, unit: string, pass: boolean | undefined }} Bar
 * @param {import('./results.mjs').Blocks} blocks
 * @returns {Bar[]}  `pass` is undefined where the figure, or what it is compared with, was not taken
 */
export function judge({ A, B, E, F, G }) {
  const us = (/** @type {string} */ id) => {
    const row = rowOf(A, id);
    return row?.isLogged === true ? row.usPerRequest : Number.NaN; // a log that was not written cost nothing
  };
  const idle = rowOf(B, 'pilotfish');
  const start = rowOf(E, 'pilotfish');
  const killed = rowOf(F, 'pilotfish');
  const crowded = G?.sizes.at(-1) === 4_000 ? rowOf(G, 'pilotfish') : undefined;
  return [
    bar('CPU per request, access log off, against Envoy', us('pilotfish') / us('envoy'), 0.6, '×'),
    bar('CPU per request, access log off, against Traefik', us('pilotfish') / us('traefik'), 0.4, '×'),
    bar(
      'CPU per request, access log to a file, against Envoy without one',
      us('pilotfish-log') / us('envoy'),
      0.8,
      '×',
    ),
    bar('memory per idle connection', idle && idle.manyBytes / 1_000, 6, 'kB'),
    bar('ready after start', start?.readyMs, 300, 'ms'),
    bar('memory at rest', start?.rssMb, 80, 'MB'),
    bar(
      'failed requests when a copy is killed, but for `POST`s lost in it',
      killed && killed.failedGet + killed.failedPost,
      0,
      '',
    ),
    bar('p99.9 when a copy is killed', killed?.p999Ms, 25, 'ms'),
    bar('answers/s lost with 4,000 clients, against 64', crowded && lostPercent(crowded.perSecond), 50, '%'),
  ];
}

/** From the first to the last. @param {number[]} perSecond */
function lostPercent(perSecond) {
  return (1 - (perSecond.at(-1) ?? Number.NaN) / (perSecond[0] ?? Number.NaN)) * 100;
}

/** @param {string} title @param {number | undefined} figure @param {number} limit @param {string} unit @returns {Bar} */
function bar(title, figure, limit, unit) {
  const known = figure !== undefined && Number.isFinite(figure);
  return { title, figure: known ? figure : undefined, limit, unit, pass: known ? figure <= limit : undefined };
}
