// More connections that are answered in one turn of the loop than are read side by side.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { Body } from '../../../src/http/body.ts';
import { Headers } from '../../../src/http/headers.ts';
import { ProxyResponse } from '../../../src/http/message.ts';
import { hasToWait, longestWaitMs, type InTurn } from '../../../src/http1/read-turns.ts';
import { DeadlineLists } from '../../../src/util/deadline-list.ts';
import { flushAtEndOfTurn } from '../../../src/util/end-of-turn.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { closeAll, dial, NO_TIMEOUTS, serve, type RawPeer, type Served } from './support.ts';

afterEach(closeAll);

/** As src/http1/read-turns.ts has them. */
const CROWD = 256;
const AT_ONCE = 32;

/** Asks for `count` connections in this turn, as those do that have just answered. @param called the names of those whose turn came */
function crowd(name: string, count: number, called: string[], nowMs = 0): string[] {
  const waiting: string[] = [];
  flushAtEndOfTurn({ flush: () => undefined });
  for (let number = 0; number < count; number++) {
    const one: InTurn = { onTurn: () => void called.push(`${name} ${number}`) };
    if (hasToWait(one, nowMs)) waiting.push(`${name} ${number}`);
  }
  return waiting;
}

describe('connections that have answered', () => {
  it('read on at once where they are few, in each turn of the loop', async () => {
    for (let turn = 0; turn < 3; turn++) {
      expect(crowd('a', CROWD, [])).toEqual([]);
      expect(longestWaitMs(1_000)).toBe(0);
      await nextTurn();
    }
  });

  it.each([2, 4, 10])(
    'wait for their turn in a crowd of %i: some in each turn of the loop, in order',
    async (times) => {
      const called: string[] = [];
      const waiting = crowd('a', times * CROWD, called);
      expect(waiting).toHaveLength((times - 1) * CROWD);
      while (called.length < waiting.length) {
        const before = called.length;
        const left = waiting.length - before;
        await nextTurn();
        expect(called).toEqual(waiting.slice(0, before + (left > CROWD ? AT_ONCE : left)));
      }
      await nextTurn();
      expect(called).toEqual(waiting);
    },
  );

  it('wait behind those that wait already, for as long as it is told', async () => {
    const called: string[] = [];
    const first = crowd('first', 3 * CROWD, called, 100);
    await nextTurn();
    const second = crowd('second', 10, called, 200);
    expect(second).toHaveLength(10);
    expect(longestWaitMs(250)).toBe(150);
    while (called.length < first.length + second.length) await nextTurn();
    expect(called).toEqual([...first, ...second]);
    expect(longestWaitMs(300)).toBe(0);
  });
});

describe('a listener in a crowd', () => {
  const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
  const CLIENTS = 3 * CROWD;

  const answers = (client: RawPeer): number => client.received.split('HTTP/1.1 200').length - 1;
  const paused = ({ connections }: Served) => connections.filter(({ socket }) => socket.isPaused());

  interface Crowded {
    readonly served: Served;
    readonly clients: readonly RawPeer[];
    readonly clock: FakeClock;
    /** Once `count` have asked, they are answered in the same turn of the loop. */
    readonly answer: (count: number) => Promise<void>;
  }

  async function crowded(): Promise<Crowded> {
    const clock = new FakeClock({ startMs: 0 });
    let held: ((response: ProxyResponse) => void)[] = [];
    const served = await serve(() => new Promise<ProxyResponse>((resolve) => held.push(resolve)), {
      clock,
      deadlines: new DeadlineLists(clock),
      timeouts: { ...NO_TIMEOUTS, idleMs: 1_000 },
    });
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => dial(served.port)));
    const answer = async (count: number): Promise<void> => {
      while (held.length < count) await nextTurn();
      const all = held;
      held = [];
      for (const resolve of all) resolve(new ProxyResponse(200, new Headers(), Body.of(Buffer.from('ok'))));
    };
    return { served, clients, clock, answer };
  }

  /** Those that wait for their turn, after all have asked and were answered. */
  async function waiting({ served, clients, answer }: Crowded): Promise<Served['connections']> {
    for (const client of clients) client.write(GET);
    await answer(CLIENTS);
    while (paused(served).length === 0) await nextTurn();
    return paused(served);
  }

  it('makes those wait that it has answered, and answers each of them again and again', async () => {
    const crowd = await crowded();
    for (let round = 1; round < 4; round++) {
      expect((await waiting(crowd)).length).toBeGreaterThan(CROWD);
      await Promise.all(crowd.clients.map((client) => client.until((one) => answers(one) === round)));
    }
    while (paused(crowd.served).length > 0) await nextTurn();
  });

  it('counts their idle time from their turn, and hears then of those that have gone', async () => {
    const crowd = await crowded();
    const { served, clients, clock } = crowd;
    const late = await waiting(crowd);
    await clock.advance(1_100);
    expect(late.filter(({ isClosing }) => isClosing)).toEqual([]);
    const [gone, ...others] = clients.toReversed();
    gone?.socket.resetAndDestroy();
    while (paused(served).length > 0) await nextTurn();
    await clock.advance(1_100);
    await Promise.all(others.map((client) => client.until(({ hasEnded }) => hasEnded)));
    for (const { socket } of others) socket.end();
    while (served.connections.some(({ socket }) => !socket.destroyed)) await nextTurn();
  });

  it('told to close, answers what they have sent until it is their turn, and ends those that sent nothing', async () => {
    const crowd = await crowded();
    const { served, clients, clock, answer } = crowd;
    const ports = new Set((await waiting(crowd)).map(({ socket }) => socket.remotePort));
    for (const connection of paused(served)) {
      expect(connection.isIdle).toBe(false);
      connection.close();
    }
    const told = clients.filter(({ socket }) => ports.has(socket.localPort));
    const asking = told.slice(0, CROWD / 2);
    for (const client of asking) client.write(GET);
    await answer(asking.length);
    await Promise.all(asking.map((client) => client.until((one) => answers(one) === 2 && one.hasEnded)));
    expect(asking.every(({ received }) => received.includes('\r\nConnection: close\r\n'))).toBe(true);
    while (paused(served).length > 0) await nextTurn();
    await clock.advance(150);
    await Promise.all(told.map((client) => client.until(({ hasEnded }) => hasEnded)));
  });
});
