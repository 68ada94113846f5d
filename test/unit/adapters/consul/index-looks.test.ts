// How many looks are open: by an agent that is made up, and answers as quickly as it is told to.
import { expect, test } from 'vitest';
import type { Connection, ConsulAnswer } from '../../../../adapters/consul/connection.ts';
import { IndexLooks } from '../../../../adapters/consul/index-looks.ts';
import { serviceKey } from '../../../../src/registry/types.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const KEY = serviceKey('orders');

/** An agent that answers each request after `answerMs` of those open; `most`: that were open at once. */
class Agent {
  readonly clock = new FakeClock();
  readonly looks: IndexLooks;
  readonly asked: Promise<number>[] = [];
  answerMs: (open: number) => number = () => 50;
  most = 0;
  answers = 0;
  heard = 0;
  private open = 0;

  constructor() {
    const request = async (): Promise<ConsulAnswer> => {
      this.most = Math.max(this.most, ++this.open);
      await new Promise<void>((resolve) => this.clock.setTimer(this.answerMs(this.open), resolve));
      this.open--;
      this.answers++;
      return { status: 200, headers: { 'x-consul-index': '7' }, text: '' };
    };
    this.looks = new IndexLooks({ request } as unknown as Connection, this.clock);
  }

  /** Asks for so many at once, and lets so much time pass. */
  async ask(count: number, forMs: number): Promise<void> {
    for (let at = 0; at < count; at++) {
      this.asked.push(this.looks.index(KEY, new AbortController().signal, () => this.heard++));
    }
    for (let ms = 0; ms < forMs; ms += 10) {
      await this.clock.advance(10);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

test('an agent that is far away is asked more at a time, up to a bound', async () => {
  const agent = new Agent();
  await agent.ask(3_000, 10_000);
  expect(await Promise.all(agent.asked)).toEqual(agent.asked.map(() => 7));
  expect(agent.most).toBe(48);
});

test('an agent that answers the later the more it is asked is asked a few at a time, and those who wait hear of it', async () => {
  const agent = new Agent();
  agent.answerMs = (open) => open * 20;
  await agent.ask(400, 8_000);
  expect(agent.answers).toBe(400);
  expect(agent.most).toBeLessThan(12);
  expect(agent.heard).toBeGreaterThan(400);
});

test('who gives up while it waits is not asked for, and holds nobody up', async () => {
  const agent = new Agent();
  const giving = new AbortController();
  await agent.ask(4, 0);
  const given = agent.looks.index(KEY, giving.signal, () => undefined).catch((error: unknown) => error);
  giving.abort(new Error('enough'));
  expect(await given).toBe(giving.signal.reason);
  await agent.ask(1, 200);
  expect(agent.answers).toBe(5);
});
