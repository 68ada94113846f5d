import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { flushAtEndOfTurn, type Flushable } from '../../../src/util/end-of-turn.ts';

/** As an outbox does: registers itself first, and then collects. */
class Collector implements Flushable {
  text = '';
  written: string[] = [];

  send(text: string): void {
    if (this.text === '') flushAtEndOfTurn(this);
    this.text += text;
  }

  flush(): void {
    if (this.text !== '') this.written.push(this.text);
    this.text = '';
  }
}

describe('what is put off to the end of a turn', () => {
  it('is written then, once, however much it became', async () => {
    const one = new Collector();
    one.send('a');
    one.send('b');
    await Promise.resolve();
    expect(one.written).toEqual([]);
    await nextTurn();
    expect(one.written).toEqual(['ab']);
    await nextTurn();
    expect(one.written).toEqual(['ab']);
  });

  it.each([1, 31, 32, 33, 64, 65, 1_000])('loses nothing of %i that write in the same turn', async (count) => {
    const all = Array.from({ length: count }, () => new Collector());
    for (const [number, one] of all.entries()) one.send(`${number}`);
    await nextTurn();
    expect(all.map(({ written }) => written)).toEqual(all.map((_, number) => [`${number}`]));
  });

  it('does not keep the first ones waiting for all of a long turn', () => {
    const all = Array.from({ length: 70 }, () => new Collector());
    for (const one of all) one.send('x');
    expect(all.filter(({ written }) => written.length > 0)).toEqual(all.slice(0, 64));
  });

  it('may be put off again by what is written', async () => {
    const second = new Collector();
    flushAtEndOfTurn({ flush: () => second.send('later') });
    await nextTurn();
    await nextTurn();
    expect(second.written).toEqual(['later']);
  });
});
