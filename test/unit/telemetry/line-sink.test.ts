// The sinks on what the system really offers: files, a device that is always full, a pipe that nobody reads.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { fileWriter } from '../../../src/telemetry/log-outputs.ts';
import { systemClock } from '../../../src/util/clock.ts';

const folder = mkdtempSync(join(tmpdir(), 'pilotfish-log-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('a log file', () => {
  test('is made for its owner and its group, and appended to', async () => {
    const path = join(folder, 'access.log');
    for (const line of ['a\n', 'b\n']) {
      const writer = await fileWriter(path, systemClock);
      writer.write(line);
      await writer.close(1_000);
    }
    expect(readFileSync(path, 'utf8')).toBe('a\nb\n');
    expect(statSync(path).mode & 0o027).toBe(0);
  });

  test('that was moved away is left for a new one', async () => {
    const path = join(folder, 'moved.log');
    const writer = await fileWriter(path, systemClock);
    writer.write('old\n');
    await writer.flush();
    renameSync(path, `${path}.1`);
    await writer.reopen();
    writer.write('new\n');
    await writer.close(1_000);
    expect(readFileSync(`${path}.1`, 'utf8')).toBe('old\n');
    expect(readFileSync(path, 'utf8')).toBe('new\n');
  });

  test('that cannot be opened says so', async () => {
    await expect(fileWriter(join(folder, 'absent', 'x.log'), systemClock)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test.skipIf(!existsSync('/dev/full'))('on a full disk loses lines and nothing else', async () => {
    const codes: unknown[] = [];
    const writer = await fileWriter('/dev/full', systemClock, {
      onFailure: (error) => codes.push((error as NodeJS.ErrnoException).code),
    });
    for (let n = 0; n < 3; n++) {
      writer.write('x\n');
      await writer.flush();
    }
    await writer.close(1_000);
    expect(codes).toEqual(['ENOSPC']);
    expect(writer.droppedLines).toBe(3);
  });

  test.skipIf(process.platform !== 'linux')('that is a pipe with a slow reader never holds up its writer', async () => {
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    // Opens the pipe, reads nothing until it is told to, then copies everything.
    const reader = spawn('sh', ['-c', `exec 3<"$0"; echo open; read go; cat <&3`, path], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    let read = '';
    const opened = new Promise<void>((resolve) => {
      reader.stdout.on('data', (chunk: Buffer) => {
        read += chunk.toString('latin1');
        if (read.startsWith('open\n')) resolve();
      });
    });
    const writing = openWhenRead(path);
    await opened;
    const writer = await writing;
    const line = `${'x'.repeat(1_023)}\n`;
    for (let n = 0; n < 200; n++) writer.write(line);
    const flushed = writer.flush();
    reader.stdin.write('go\n');
    await flushed;
    await writer.close(1_000);
    await new Promise((resolve) => reader.once('close', resolve));
    expect(read.length).toBe('open\n'.length + 200 * 1_024);
    expect(writer.droppedLines).toBe(0);
  });
});

/** A pipe without a reader refuses to be opened (ENXIO): tried until there is one. */
async function openWhenRead(path: string): ReturnType<typeof fileWriter> {
  for (let tries = 0; ; tries++) {
    try {
      return await fileWriter(path, systemClock);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO' || tries > 500) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
