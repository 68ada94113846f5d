// More connections that are answered in one turn of the loop than are read side by side.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { Body } from '../../../src/http/body.ts';
import { Headers } from '../../../src/http/headers.ts';
import { ProxyResponse } from '../../../src/http/message.ts';
import { hasToWait, type InTurn } from '../../../src/http1/read-turns.ts';
import { DeadlineLists } from '../../../src/util/deadline-list.ts';
import { flushAtEndOfTurn } from '../../../src/util/end-of-turn.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { closeAll, dial, NO_TIMEOUTS, serve, type RawPeer, type Served } from './support.ts';

afterEach(closeAll);

/** As src/http1/read-turns.ts has them. */
const CROWD = 256;
const AT_ONCE = 32;

/** Asks for each of `count` connections in this turn, as one that has just answered does. @returns the numbers of those whose turn came */
function crowd(count: number): { readonly waiting: number[]; readonly called: number[] } {
  const [waiting, called]: [number[], number[]] = [[], []];
  flushAtEndOfTurn({ flush: () => undefined });
  for (let number = 0; number < count; number++) {
    const one: InTurn = { onTurn: () => void called.push(number) };
    if (hasToWait(one)) waiting.push(number);
  }
  return { waiting, called };
}

describe('connections that have answered', () => {
  it('read on at once where they are few, in each turn of the loop', async () => {
    for (let turn = 0; turn < 3; turn++) {
      expect(crowd(CROWD).waiting).toEqual([]);
      await nextTurn();
    }
  });

  it('wait for their turn in a crowd: some in each turn of the loop, in their order, each once', async () => {
    const { waiting, called } = crowd(CROWD + 3 * CROWD);
    expect(waiting).toHaveLength(3 * CROWD);
    for (let turn = 0; called.length < waiting.length; turn++) {
      const before = called.length;
      const left = waiting.length - before;
      await nextTurn();
      expect(called).toEqual(waiting.slice(0, before + (left > CROWD ? AT_ONCE : left)));
    }
    await nextTurn();
    expect(called).toEqual(waiting);
  });

  it('wait behind those that wait already', async () => {
    const first = crowd(3 * CROWD);
    const second = crowd(10);
    expect(second.waiting).toHaveLength(10);
    while (second.called.length < 10) {
      if (second.called.length > 0) expect(first.called).toEqual(first.waiting);
      await nextTurn();
    }
  });
});

describe('a listener in a crowd', () => {
  const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
  const CLIENTS = CROWD + 100;

  const answers = (client: RawPeer): number => client.received.split('HTTP/1.1 200').length - 1;

  /** All clients ask; once all have, all are answered in the same turn. */
  async function together(): Promise<{ served: Served; clients: RawPeer[]; clock: FakeClock }> {
    const clock = new FakeClock({ startMs: 0 });
    let release: (() => void) | undefined = undefined;
    let asked = 0;
    const all = new Promise<void>((resolve) => (release = resolve));
    const served = await serve(
      async () => {
        if (++asked === CLIENTS) release?.();
        await all;
        return new ProxyResponse(200, new Headers(), Body.of(Buffer.from('ok')));
      },
      { clock, deadlines: new DeadlineLists(clock), timeouts: { ...NO_TIMEOUTS, idleMs: 1_000 } },
    );
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => dial(served.port)));
    for (const client of clients) client.write(GET);
    await Promise.all(clients.map((client) => client.until((one) => answers(one) === 1)));
    return { served, clients, clock };
  }

  it('answers each of them again and again', async () => {
    const { clients } = await together();
    for (let round = 2; round < 5; round++) {
      for (const client of clients) client.write(GET);
      await Promise.all(clients.map((client) => client.until((one) => answers(one) === round)));
    }
  });

  it('still closes those that are idle, and hears of those that go', async () => {
    const { served, clients, clock } = await together();
    const [gone, ...others] = clients;
    gone?.socket.resetAndDestroy();
    await nextTurn();
    await nextTurn();
    await clock.advance(1_100);
    await Promise.all(others.map((client) => client.until(({ hasEnded }) => hasEnded)));
    for (const client of others) client.socket.end();
    while (served.connections.some(({ socket }) => !socket.destroyed)) await nextTurn();
  });
});
