import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { dispatch } from '../../../src/cli/dispatch.ts';
import { commandPage } from '../../../src/cli/reference.ts';
import { fileWith } from '../config/load.ts';
import { Console } from './console.ts';

async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const console = new Console(env);
  const code = await dispatch(args, console);
  return { code, out: console.out, err: console.err };
}

describe('help', () => {
  it.each([['--help'], ['-h'], ['help']])('%s lists every command', async (...args) => {
    const { code, out, err } = await run(args);
    expect([code, err]).toEqual([0, '']);
    for (const { summary } of COMMANDS) expect(out).toContain(summary);
  });

  it.each(COMMANDS.map(({ name }) => name))(
    'of %s is the same in both spellings, and fits a terminal',
    async (name) => {
      const { code, out } = await run([name, '--help']);
      expect(code).toBe(0);
      expect((await run(['help', name])).out).toBe(out);
      expect(out).toMatch(new RegExp(`^Usage: pilotfish ${name}`));
      expect(out.split('\n').filter((line) => line.length > 124)).toEqual([]);
    },
  );

  it('is what docs/cli.md shows (npm run docs)', async () => {
    expect(readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8')).toBe(await commandPage());
  });
});

describe('version', () => {
  it.each(['--version', '-v', 'version'])('%s is that of package.json', async (word) => {
    const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(await run([word])).toMatchObject({ code: 0, out: `pilotfish ${version} (node ${process.versions.node})\n` });
  });
});

describe('a command line that makes no sense', () => {
  it.each([
    [['statsu'], 'pilotfish: unknown command "statsu"; did you mean "status"?\nTry: pilotfish --help\n'],
    [['validate', '--foo'], "pilotfish: unknown option '--foo'\nTry: pilotfish validate --help\n"],
    [['--foo'], "pilotfish: unknown option '--foo'\nTry: pilotfish run --help\n"],
    [['validate', 'x'], 'pilotfish: unexpected argument "x"\nTry: pilotfish validate --help\n'],
    [['registry'], 'pilotfish: registry: ls, watch or register?\nTry: pilotfish registry --help\n'],
    [['registry', 'watch'], 'pilotfish: an argument is missing\nTry: pilotfish registry --help\n'],
    [
      ['registry', 'ls', 'a/b'],
      'pilotfish: found "a/b", expected the name of a service, or namespace/group/service\nTry: pilotfish registry --help\n',
    ],
    [['registry', 'register', 'a', 'b'], 'pilotfish: found "b", expected HOST:PORT\nTry: pilotfish registry --help\n'],
    [
      ['registry', 'register', 'a', 'b:1', '--ttl', '1'],
      'pilotfish: --ttl: found "1", expected a duration such as 10s, from 500ms to 24h\nTry: pilotfish registry --help\n',
    ],
    [
      ['status', '--admin', '15000'],
      'pilotfish: --admin: found "15000", expected HOST:PORT or unix:/path\nTry: pilotfish status --help\n',
    ],
  ])('%j ends with 1 and a hint', async (args, err) => {
    expect(await run(args)).toEqual({ code: 1, out: '', err });
  });
});

describe('validate', () => {
  it('prints every problem and ends with 1', async () => {
    const file = fileWith('log: { level: loud }\nfoo: 1');
    const { code, out, err } = await run(['validate', '-c', file], { PILOTFISH_TTL: 'x', PILOTFISH_FOO: '1' });
    expect([code, out]).toEqual([1, '']);
    expect(err.split('\n').map((line) => line.replace(`${file}:`, '').split(': ')[0])).toEqual([
      'warning',
      'PILOTFISH_TTL',
      '1:15',
      '2:1',
      'configuration invalid',
      '',
    ]);
  });

  it('says which file is valid', async () => {
    const file = fileWith('log: { level: warn }');
    expect(await run(['validate', '--config', file])).toEqual({
      code: 0,
      out: `configuration valid (${file})\n`,
      err: '',
    });
    expect((await run(['validate'])).out).toBe('configuration valid (environment and defaults)\n');
  });

  it('prints the effective configuration when asked', async () => {
    const { code, out } = await run(['validate', '--print'], { PILOTFISH_LOG_LEVEL: 'warn' });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ log: { level: 'warn' } });
  });
});

describe('run', () => {
  it('starts nothing with an invalid configuration', async () => {
    const { code, err } = await run(['run'], { PILOTFISH_SERVICE: 'orders' });
    expect(code).toBe(1);
    expect(err).toMatch(/^PILOTFISH_APP: service\.app: found nothing/);
  });
});
