import { expect, it } from 'vitest';
import { openAccessLog } from '../../../src/runtime/access-log-output.ts';
import { stdoutWriter } from '../../../src/telemetry/log-outputs.ts';
import { Logger } from '../../../src/telemetry/logger.ts';
import { FakeClock } from '../../support/fake-clock.ts';

it('names the field of a file that cannot be opened', async () => {
  const clock = new FakeClock();
  const stdout = stdoutWriter(clock);
  const log = new Logger({ level: 'silent', writer: stdout, clock });
  const opened = openAccessLog({ level: 'info', access: true, file: '/nowhere/access.log' }, stdout, clock, log);
  await expect(opened).rejects.toMatchObject({ message: 'log.file cannot be opened', cause: { code: 'ENOENT' } });
});
