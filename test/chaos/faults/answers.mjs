// Faults of answers and connections: reset before or within an answer, closed when idle, 503 again and again.
import { atMost, nothingAvoidableFailed, nothingFailed } from '../bars.mjs';
import { underLoad } from '../steady.mjs';

const EVERY = 50;
const LONG_ANSWER = 65_536;
const CLEAN_END = 'a clean end';

/** All copies misbehave so. @param {Partial<import('../copy.mjs').Faults>} faults @param {number} [answerBytes] */
function everywhere(faults, answerBytes) {
  return async (/** @type {import('../stage.mjs').Stage} */ stage, /** @type {number} */ seconds) => {
    const played = await underLoad(stage, {
      seconds,
      ...(answerBytes === undefined ? {} : { answerBytes }),
      strike: () => Promise.all(stage.copies.map((copy) => copy.tell(faults))),
    });
    const clean = played.answered.filter(([, , , failure]) => failure.startsWith(CLEAN_END));
    played.figures.facts.cleanEnds = clean.length;
    return played.figures;
  };
}

/** @type {import('./index.mjs').Fault} */
export const resetBefore = {
  id: 'reset-before',
  title: 'Reset before the answer',
  what: `Every ${EVERY}th request is executed and its connection reset instead of an answer, by all three copies.`,
  seconds: 20,
  shortSeconds: 3,
  play: everywhere({ resetEvery: EVERY }),
  bars: nothingAvoidableFailed,
};

/** @type {import('./index.mjs').Fault} */
export const resetWithin = {
  id: 'reset-within',
  title: 'Reset within the answer',
  what:
    `Answers of 64 KiB, every ${EVERY}th of which ends in the middle, by turns with a reset, an end within its ` +
    'Content-Length, an end within its chunks.',
  seconds: 20,
  shortSeconds: 3,
  play: everywhere({ cutEvery: EVERY }, LONG_ANSWER),
  bars: ({ facts, twice }) => [
    atMost('cut answers that ended as if they were whole', facts.cleanEnds, 0),
    atMost('POST executed twice', twice, 0),
  ],
};

/** @type {import('./index.mjs').Fault} */
export const resetHeld = {
  ...resetWithin,
  id: 'reset-within-buffered',
  title: 'Reset within the answer, held until it is whole',
  what: `${resetWithin.what} Pilotfish has \`buffer: {}\`; the peers are as they were.`,
  setting: { upstream: '{ buffer: {} }' },
  bars: (figures) => [
    ...resetWithin.bars(figures),
    atMost('failed GET', figures.failedGet, 0),
    atMost('extra attempts, in percent', figures.extra * 100, 20, '%'),
  ],
};

/** @type {import('./index.mjs').Fault} */
export const announced = {
  id: 'close-announced',
  title: 'Connections closed after each answer, announced',
  what: 'All copies close each connection after one answer, which says `Connection: close`.',
  seconds: 10,
  shortSeconds: 2,
  play: everywhere({ hangUp: 'announced' }),
  bars: nothingFailed,
};

/** @type {import('./index.mjs').Fault} */
export const atOnce = {
  id: 'close-at-once',
  title: 'Connections closed after each answer, unannounced',
  what: 'All copies close each connection after one answer, which says `Connection: keep-alive`.',
  seconds: 20,
  shortSeconds: 3,
  play: everywhere({ hangUp: 'at once' }),
  bars: nothingAvoidableFailed,
};

/** @type {import('./index.mjs').Fault} */
export const onceIdle = {
  id: 'close-idle',
  title: 'Connections closed once idle, unannounced',
  what: 'All copies close a connection that was idle for 20 ms: about as long as it takes until it is used again.',
  seconds: 20,
  shortSeconds: 3,
  play: everywhere({ hangUp: 20 }),
  bars: nothingAvoidableFailed,
};

/** @type {import('./index.mjs').Fault} */
export const halfUnavailable = {
  id: 'half-503',
  title: 'Every second answer of a copy is 503',
  what: 'One copy of three answers every second request with 503.',
  seconds: 40,
  shortSeconds: 3,
  play: async (stage, seconds) =>
    (await underLoad(stage, { seconds, strike: () => stage.copies[0].tell({ unavailableEvery: 2 }) })).figures,
  // A POST fails until the copy is ejected: of a few seconds, that is a larger share.
  bars: ({ sent, ok, extra }) => [
    atMost('failed, in percent', ((sent - ok) / sent) * 100, 0.1, '%', true),
    atMost('extra attempts, in percent', extra * 100, 20, '%'),
  ],
};
