// An answer that breaks off: no client may take it for whole, however its instance went away.
import { describe, expect, it } from 'vitest';
import { exchangeRaw } from '../support/raw.ts';
import { accessLog, startRawInstance, startStatic } from '../support/wire.ts';
import { until } from '../support/until.ts';

const ROUNDS = 40;

/** How answers ended for their clients, and the codes that were logged, each once. */
async function callAgain(answer: string, isReset: boolean): Promise<[string[], unknown[]]> {
  const instance = await startRawInstance(({ received, socket }) => {
    if (!received.endsWith('\r\n\r\n')) return;
    socket.write(answer, 'latin1');
    if (isReset) socket.resetAndDestroy();
    else socket.end();
  });
  const sidecar = await startStatic({ orders: [instance.port] }, { outlier: { consecutiveFailures: 0 } });
  const ends = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    const received = await exchangeRaw(
      sidecar.outbound.port,
      `GET / HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n`,
    );
    ends.add(received.endsWith('\r\n0\r\n\r\n') ? 'whole' : 'broken');
  }
  await until('all are logged', () => accessLog(sidecar).length === ROUNDS);
  return [[...ends], [...new Set(accessLog(sidecar).map(({ code }) => code))]];
}

describe('an answer whose end is that of its connection', () => {
  const answer = 'HTTP/1.1 200 OK\r\n\r\nhello';

  it('is whole when the instance has closed it', async () => {
    expect(await callAgain(answer, false)).toEqual([['whole'], [undefined]]);
  });

  it('is broken when the instance was reset, also where that comes with the content', async () => {
    expect(await callAgain(answer, true)).toEqual([['broken'], ['PF_UPSTREAM_CLOSED']]);
  });
});
