import { describe, expect, it } from 'vitest';
import { runUntilStopped } from '../../../src/cli/run.ts';
import type { RunningSidecar } from '../../../src/cli/run.ts';
import { configOf } from '../config/load.ts';
import { Console } from './console.ts';

/** A sidecar whose start and end are in the test's hands. */
class FakeSidecar implements RunningSidecar {
  readonly reasons: string[] = [];
  readonly bugs: unknown[] = [];
  readonly warnings: string[] = [];
  reopened = 0;
  started: (sidecar: RunningSidecar) => void = () => undefined;
  end: (code: number) => void = () => undefined;
  readonly finished = new Promise<number>((resolve) => (this.end = resolve));
  readonly start = (): Promise<RunningSidecar> => new Promise((resolve) => (this.started = resolve));

  async stop(reason: string): Promise<void> {
    this.reasons.push(reason);
  }

  reopenLogs(): void {
    this.reopened++;
  }

  escaped(error: unknown): void {
    this.bugs.push(error);
  }

  warned({ message }: Error): void {
    this.warnings.push(message);
  }
}

async function begin(isStarted: boolean) {
  const [console, sidecar] = [new Console(), new FakeSidecar()];
  const code = runUntilStopped(await configOf(''), sidecar.start, console);
  if (isStarted) {
    sidecar.started(sidecar);
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
  }
  return { console, sidecar, code };
}

describe('run', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('stops the sidecar at %s and ends with its code', async (signal) => {
    const { console, sidecar, code } = await begin(true);
    console.send(signal);
    expect(sidecar.reasons).toEqual([signal]);
    sidecar.end(0);
    expect(await code).toBe(0);
    expect(console.isListening).toBe(false);
  });

  it.each([['SIGTERM', 143] as const, ['SIGINT', 130] as const])(
    'ends at once at a second %s',
    async (signal, expected) => {
      const { console, code } = await begin(true);
      console.send('SIGTERM');
      console.send(signal);
      expect(await code).toBe(expected);
    },
  );

  it('stops a sidecar that was still starting at the signal', async () => {
    const { console, sidecar, code } = await begin(false);
    console.send('SIGTERM');
    expect(sidecar.reasons).toEqual([]);
    sidecar.started(sidecar);
    sidecar.end(0);
    expect(await code).toBe(0);
    expect(sidecar.reasons).toEqual(['SIGTERM']);
  });

  it('ends at once at a second signal during the start', async () => {
    const { console, code } = await begin(false);
    console.send('SIGTERM');
    console.send('SIGTERM');
    expect(await code).toBe(143);
  });

  it('ends when the sidecar ends by itself, with its code', async () => {
    const { sidecar, code } = await begin(true);
    sidecar.end(70);
    expect(await code).toBe(70);
  });

  it('tells the sidecar of an error that escaped, and goes on', async () => {
    const { console, sidecar, code } = await begin(true);
    const bug = new TypeError('x is undefined');
    console.escape(bug);
    expect(sidecar.bugs).toEqual([bug]);
    sidecar.end(0);
    expect(await code).toBe(0);
    expect(console.isListening).toBe(false);
  });

  it('gives what Node warns of to the log of the sidecar, and to the terminal before there is one', async () => {
    const { console, sidecar, code } = await begin(false);
    console.warn(new Error('early'));
    expect(console.err).toBe('pilotfish: Error: early\n');
    sidecar.started(sidecar);
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    console.warn(new Error('late'));
    expect(sidecar.warnings).toEqual(['late']);
    sidecar.end(0);
    expect(await code).toBe(0);
    expect(console.isListening).toBe(false);
  });

  it('ends with an error that escaped before there was a sidecar', async () => {
    const { console, code } = await begin(false);
    const bug = new TypeError('x is undefined');
    console.escape(bug);
    await expect(code).rejects.toBe(bug);
    expect(console.isListening).toBe(false);
  });

  it('passes on what a failed start throws', async () => {
    const console = new Console();
    const failed = Object.assign(new Error('cannot bind'), { exitCode: 4 });
    await expect(runUntilStopped(await configOf(''), () => Promise.reject(failed), console)).rejects.toBe(failed);
    expect(console.isListening).toBe(false);
  });
});
