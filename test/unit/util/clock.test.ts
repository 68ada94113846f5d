import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/util/clock.ts';
import { until } from '../../support/until.ts';

describe('a timer of the system', () => {
  it('comes after what had arrived before it, even where the loop stood still', async () => {
    const server = createServer();
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const [peer] = await accepted;
    onTestFinished(() => void peer.destroy());
    const order: string[] = [];
    socket.once('data', () => order.push('data'));
    systemClock.setTimer(1, () => order.push('timer'));
    peer.write('here');
    const endMs = performance.now() + 50;
    while (performance.now() < endMs); // The loop stands still: what was written has come, and the timer is long due.
    await until('both have come', () => order.length === 2);
    expect(order).toEqual(['data', 'timer']);
  });

  it('does not come once it was cancelled, not even in the turn in which it was due', async () => {
    const order: string[] = [];
    const timer = systemClock.setTimer(1, () => order.push('cancelled'));
    setTimeout(() => timer.cancel(), 1);
    systemClock.setTimer(20, () => order.push('later'));
    const endMs = performance.now() + 10;
    while (performance.now() < endMs); // The loop stands still: the timer and its cancelling fall due in one turn.
    await until('the later one', () => order.length > 0);
    expect(order).toEqual(['later']);
  });
});
