import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createFileAdapter } from '../../../adapters/file/file.ts';
import { Population, ServiceDirectory } from '../../../adapters/file/service-directory.ts';
import { encodeRecord } from '../../../src/registry/record.ts';
import type { Registry } from '../../../src/registry/registry.ts';
import { serviceKey, type ServiceInstance, type Watch } from '../../../src/registry/types.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const KEY = serviceKey('orders');
let root: string;
let registry: Registry;
let others: Registry[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'pilotfish-file-'));
  registry = createFileAdapter({ directory: root });
  others = [];
});

afterEach(async () => {
  for (const open of [registry, ...others]) await open.close();
  await rm(root, { recursive: true, force: true });
});

function instance(id: string, change: Partial<ServiceInstance> = {}): ServiceInstance {
  return {
    key: KEY,
    id,
    host: '10.0.0.1',
    port: 8080,
    protocol: 'http',
    weight: 100,
    tags: [],
    metadata: {},
    health: 'passing',
    enabled: true,
    ...change,
  };
}

const ids = (watch: Watch): string[] => watch.view?.snapshot.instances.map(({ id }) => id) ?? ['-'];
const directory = (): string => join(root, 'default', 'default', 'orders');

async function until(condition: () => boolean, withinMs = 5_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not so within ${withinMs} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function register(id: string, change: Partial<ServiceInstance> = {}, ttlMs = 3_000) {
  const handle = registry.register({ instance: instance(id, change), ttlMs });
  await handle.registered(AbortSignal.timeout(3_000));
  return handle;
}

async function place(name: string, text: string): Promise<void> {
  await mkdir(directory(), { recursive: true });
  await writeFile(join(root, 'unfinished'), text);
  await rename(join(root, 'unfinished'), join(directory(), name));
}

test('another process sees a registration within a moment, changed within another, and gone at once when it leaves', async () => {
  const other = createFileAdapter({ directory: root });
  others.push(other);
  const watch = other.watch(KEY, {});
  await until(() => watch.state === 'live');
  expect(ids(watch)).toEqual([]);
  const own = instance('日本/ü "q" ..', {
    zone: 'z',
    tags: ['a'],
    metadata: { 'k=': '🐟' },
    weight: 7,
    protocol: 'h2c',
  });
  const handle = registry.register({ instance: own, ttlMs: 3_000 });
  await until(() => ids(watch).length === 1, 1_000);
  expect(watch.view?.snapshot.instances[0]).toEqual({ ...own, owner: handle.instance.owner });
  handle.update({ weight: 0 });
  await until(() => watch.view?.snapshot.instances[0]?.weight === 0, 1_000);
  expect(await handle.deregister({ deadlineMs: 2_000, settleMs: 100 })).toBe('removed');
  await until(() => ids(watch).length === 0, 1_000);
  expect(watch.stats.guarded).toBe(0);
  expect(existsSync(directory())).toBe(false);
});

test('list names the services that have somebody, read reads one of them', async () => {
  const never = new AbortController().signal;
  expect(await registry.list({}, never)).toEqual([]);
  await register('a');
  await register('b', { key: { namespace: 'n/s', group: 'g', service: 's' } });
  await mkdir(join(root, 'default', 'default', 'nobody'));
  expect(await registry.list({}, never)).toEqual([KEY, { namespace: 'n/s', group: 'g', service: 's' }]);
  expect(await registry.list({ namespace: 'default' }, never)).toEqual([KEY]);
  expect((await registry.read(KEY, never)).instances.map(({ id }) => id)).toEqual(['a']);
  expect((await registry.ping(never)).epoch).not.toBe('');
});

describe('liveness', () => {
  test('a killed process is gone at once, also the last one', async () => {
    const child = spawn('sleep', ['60'], { stdio: 'ignore' });
    const pid = child.pid ?? 0;
    const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? [];
    const process = {
      pid,
      startTime: fields[19],
      bootId: (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim(),
      pidNamespace: execFileSync('readlink', [`/proc/${pid}/ns/pid`], { encoding: 'utf8' }).trim(),
    };
    await place('a.json', encodeRecord(instance('a'), { ttlMs: 60_000, process }));
    await place('b.json', encodeRecord(instance('b'), { ttlMs: 60_000, process: { ...process, bootId: 'elsewhere' } }));
    await place('c.json', encodeRecord(instance('c'), { ttlMs: 60_000, process: { ...process, startTime: '1' } }));
    const watch = registry.watch(KEY, {});
    await until(() => watch.state === 'live');
    expect(ids(watch)).toEqual(['a', 'b']);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await until(() => ids(watch).join() === 'b', 2_500);
    expect(watch.view?.suspects.size).toBe(0);
  });

  test('a record whose heart stands still for its TTL is dead, and removed after ten, whatever its time stamp says', async () => {
    await place('a.json', encodeRecord(instance('a'), { ttlMs: 10_000 }));
    await place('b.json', encodeRecord(instance('b'), { ttlMs: 10_000 }));
    const path = join(directory(), 'a.json');
    execFileSync('touch', ['-d', '2040-01-01', path]);
    const clock = new FakeClock();
    const known = new ServiceDirectory(root, KEY, clock, new Population());
    const alive = async (): Promise<string> => (await known.look('all'))?.instances.map(({ id }) => id).join() ?? '';
    expect(await alive()).toBe('a,b');
    for (let second = 0; second < 9; second++) {
      await clock.advance(1_000);
      await known.look('sweep');
    }
    execFileSync('touch', ['-d', '2000-01-01', join(directory(), 'b.json')]);
    expect(await alive()).toBe('a,b');
    for (let second = 0; second < 4; second++) {
      await clock.advance(1_000);
      await known.look('sweep');
    }
    expect(await alive()).toBe('b');
    for (let second = 0; second < 99; second++) {
      await clock.advance(1_000);
      execFileSync('touch', [join(directory(), 'b.json')]);
      await known.look('sweep');
    }
    await until(() => !existsSync(path));
    expect(await alive()).toBe('b');
  });

  test('one long silence of ours is not theirs: a reader that slept kills nobody', async () => {
    await place('a.json', encodeRecord(instance('a'), { ttlMs: 10_000 }));
    const clock = new FakeClock();
    const known = new ServiceDirectory(root, KEY, clock, new Population());
    await known.look('all');
    await clock.advance(3_600_000);
    expect((await known.look('all'))?.instances).toHaveLength(1);
  });

  test('what a writer left unfinished is removed', async () => {
    await place('a.json', encodeRecord(instance('a'), { ttlMs: 1_000_000 }));
    const leftover = join(directory(), '.new-0123456789abcdef');
    await writeFile(leftover, '{');
    const clock = new FakeClock();
    const known = new ServiceDirectory(root, KEY, clock, new Population());
    await known.look('all');
    await clock.advance(50_000);
    await known.look('all');
    expect(existsSync(leftover)).toBe(true);
    await clock.advance(51_000);
    await known.look('all');
    await until(() => !existsSync(leftover));
  });

  test('a registration that somebody deletes, or replaces by nonsense, is back within a TTL', async () => {
    const handle = await register('a', {}, 1_500);
    const path = join(directory(), 'a.json');
    await rm(path);
    await until(() => existsSync(path), 1_500);
    await writeFile(path, '{');
    await until(() => handle.state === 'registered' && !isTorn(), 4_000);
    function isTorn(): boolean {
      return execFileSync('cat', [path], { encoding: 'utf8' }) === '{';
    }
  });

  test('one id has one holder; a restart takes its own place, a stranger does not', async () => {
    const first = await register('a', { port: 1 });
    const stranger = registry.register({ instance: instance('a', { port: 2 }), ttlMs: 3_000 });
    await until(() => stranger.state === 'conflict');
    const restarted = await register('a', { port: 1 });
    await until(() => first.state === 'conflict', 6_000);
    expect(restarted.state).toBe('registered');
    expect((await readdir(directory())).filter((name) => !name.startsWith('.'))).toEqual(['a.json']);
  });
});

describe('what others put there', () => {
  test('torn, foreign, huge, linked and special files are rejected with a reason, and the rest is served', async () => {
    await register('good');
    await place('torn.json', '{"v":1,"host":"10.');
    await place('empty.json', '');
    await place('other.json', '[]');
    await place('v2.json', '{"v":2}');
    await place('port.json', encodeRecord(instance('port', { port: 70_000 })));
    await place('link-local.json', encodeRecord(instance('x', { host: '169.254.169.254' })));
    await place('UPPER%2f.json', encodeRecord(instance('x')));
    await place('huge.json', '');
    await truncate(join(directory(), 'huge.json'), 1e12);
    await writeFile(join(root, 'elsewhere'), encodeRecord(instance('x')));
    await symlink(join(root, 'elsewhere'), join(directory(), 'link.json'));
    await mkdir(join(directory(), 'directory.json'));
    execFileSync('mkfifo', [join(directory(), 'fifo.json')]);
    await writeFile(join(directory(), 'README'), 'not a record');
    const watch = registry.watch(KEY, {});
    await until(() => watch.state === 'live');
    expect(ids(watch)).toEqual(['good']);
    const expected = [
      'UPPER%2f',
      'directory',
      'empty',
      'fifo',
      'huge',
      'link-local',
      'link',
      'other',
      'port',
      'torn',
      'v2',
    ];
    expect(watch.view?.snapshot.rejected.map(({ ref }) => ref)).toEqual(expected.map((name) => `${name}.json`));
  });

  test('a file that is written in place is rejected while torn and read when it is whole', async () => {
    const watch = registry.watch(KEY, {});
    await until(() => watch.state === 'live');
    const text = encodeRecord(instance('slow'));
    await mkdir(directory(), { recursive: true });
    await writeFile(join(directory(), 'slow.json'), text.slice(0, 20));
    await until(() => watch.view?.snapshot.rejected.length === 1, 2_000);
    await writeFile(join(directory(), 'slow.json'), text);
    await until(() => ids(watch).join() === 'slow', 2_000);
  });

  test('a service directory that is a link elsewhere is not followed', async () => {
    await mkdir(join(root, 'elsewhere'));
    await writeFile(join(root, 'elsewhere', 'a.json'), encodeRecord(instance('a')));
    await mkdir(join(root, 'default', 'default'), { recursive: true });
    await symlink(join(root, 'elsewhere'), directory());
    const watch = registry.watch(KEY, {});
    await until(() => watch.state === 'live');
    expect(ids(watch)).toEqual([]);
  });
});

describe('the directory', () => {
  test('that vanishes makes lists stale, not empty, and comes back with the registrations', async () => {
    for (const id of ['a', 'b']) await register(id, {}, 1_500);
    const watch = registry.watch(KEY, {});
    await until(() => ids(watch).length === 2);
    const lengths = new Set<number>();
    const probe = registry.watch(KEY, { onView: (view) => lengths.add(view.snapshot.instances.length) });
    await rm(root, { recursive: true });
    await until(() => existsSync(join(directory(), 'a.json')) && existsSync(join(directory(), 'b.json')), 5_000);
    await until(() => watch.state === 'live' && watch.view?.snapshot.origin === 'live', 8_000);
    probe.close();
    expect([...lengths]).toEqual([2]);
  });

  test('is private to its user, where it is the default one', async () => {
    const before = process.env['TMPDIR'];
    try {
      process.env['TMPDIR'] = root;
      const own = join(root, `pilotfish-${process.getuid?.()}`);
      others.push(createFileAdapter());
      expect((await stat(own)).mode & 0o777).toBe(0o700);
      await chmod(own, 0o755);
      expect(() => createFileAdapter()).toThrow(expect.objectContaining({ kind: 'forbidden' }) as Error);
      await rm(own, { recursive: true });
      await symlink(tmpdir(), own);
      expect(() => createFileAdapter()).toThrow(expect.objectContaining({ kind: 'forbidden' }) as Error);
    } finally {
      process.env['TMPDIR'] = before ?? '';
      if (before === undefined) delete process.env['TMPDIR'];
    }
  });

  test('that cannot be made is a state, told at once', async () => {
    const nowhere = createFileAdapter({ directory: '/proc/nowhere/registry' });
    others.push(nowhere);
    await expect(nowhere.ping(new AbortController().signal)).rejects.toMatchObject({ kind: 'unavailable' });
    const handle = nowhere.register({ instance: instance('a'), ttlMs: 1_000 });
    await until(() => handle.lastError !== undefined);
    expect(handle.state).toBe('pending');
  });

  test('that is a file is a wrong configuration', async () => {
    await writeFile(join(root, 'file'), '');
    expect(() => createFileAdapter({ directory: join(root, 'file') })).toThrow(
      expect.objectContaining({ kind: 'invalid' }) as Error,
    );
  });
});

test('closing leaves no timer and no watch behind: the process can end', async () => {
  await register('a');
  const watch = registry.watch(KEY, {});
  await until(() => watch.state === 'live');
  await registry.close();
  expect(watch.state).toBe('closed');
  expect(() => registry.watch(KEY, {})).toThrow(expect.objectContaining({ kind: 'aborted' }) as Error);
});
