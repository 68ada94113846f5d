// Errors that escape every layer of a running sidecar: logged, ending nothing while anything works, 70 when nothing does. And
// what Node warns of: a line of the log.
import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { startSidecar, temporaryDirectory } from '../support/processes.ts';
import type { RunningSidecar } from '../support/processes.ts';
import { until } from '../support/until.ts';

/** Loaded into the sidecar's process: SIGUSR2 throws where nobody catches, or rejects where nobody handles. */
const BUGS = {
  exception: 'process.on("SIGUSR2",()=>{throw new TypeError("boom")})',
  rejection: 'process.on("SIGUSR2",()=>{void Promise.reject(new TypeError("boom"))})',
  warning: 'process.on("SIGUSR2",()=>{process.emitWarning("boom")})',
};

function start(kind: keyof typeof BUGS): Promise<RunningSidecar> {
  return startSidecar({
    PILOTFISH_REGISTRY: `file://${temporaryDirectory()}/registry`,
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(BUGS[kind])}`,
  });
}

function escapes(sidecar: RunningSidecar): { error: { message: string; stack: string } }[] {
  return sidecar.lines
    .filter((line) => line.includes('an error escaped'))
    .map((line) => JSON.parse(line) as { error: { message: string; stack: string } });
}

describe('an error that escapes', () => {
  it.each(['exception', 'rejection'] as const)('is logged with its stack and ends nothing: %s', async (kind) => {
    const sidecar = await start(kind);
    sidecar.child.kill('SIGUSR2');
    await until('it is logged', () => escapes(sidecar).length === 1);
    const error = escapes(sidecar)[0]?.error;
    expect([error?.message, error?.stack.split('\n')[0]]).toEqual(['boom', 'TypeError: boom']);
    const { statusCode } = await request(`http://127.0.0.1:${sidecar.outbound.port}/`, { headers: { host: 'nobody' } });
    expect(statusCode).toBe(404);
    sidecar.child.kill('SIGTERM');
    expect(await sidecar.exited).toBe(0);
  });

  it('ends the process with 70 once nothing else happens any more', async () => {
    const sidecar = await start('exception');
    for (let count = 1; count <= 3; count++) {
      sidecar.child.kill('SIGUSR2');
      await until('it is logged', () => escapes(sidecar).length === count);
    }
    expect(await sidecar.exited).toBe(70);
    expect(sidecar.lines.some((line) => line.includes('"level":"fatal"'))).toBe(true);
  });
});

it('what Node warns of is a line of the log, and nothing else is printed', async () => {
  const sidecar = await start('warning');
  sidecar.child.kill('SIGUSR2');
  const line = await until('it is logged', () => sidecar.lines.find((one) => one.includes('Node warns')));
  expect(JSON.parse(line)).toMatchObject({ level: 'warn', warning: 'Warning', reason: 'boom' });
  expect(sidecar.stderr.filter((text) => text.includes('boom'))).toEqual([]);
});
