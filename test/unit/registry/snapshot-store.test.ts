import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createRegistry } from '../../../src/registry/registry.ts';
import { openSnapshotStore, type SnapshotStore } from '../../../src/registry/snapshot-store.ts';
import { RegistryError, type Snapshot, type WatchState } from '../../../src/registry/types.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { FakeDriver, instance, KEY, reading } from './fake-driver.ts';

let directory: string;
let clock: FakeClock;
let errors: unknown[];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pilotfish-store-'));
  clock = new FakeClock();
  errors = [];
});

afterEach(() => rm(directory, { recursive: true }));

function open(source = 'fake', path = directory): SnapshotStore {
  return openSnapshotStore({ directory: path, source, clock, onError: (error) => errors.push(error) });
}

const SNAPSHOT: Snapshot = {
  key: KEY,
  instances: [instance('a', { tags: ['t'], metadata: { k: 'ü' } }), instance('b')],
  rejected: [],
  revision: '7',
  epoch: 'e',
  observedAtMs: 5,
  origin: 'live',
};

async function saved(): Promise<string> {
  const store = open();
  store.save({ snapshot: SNAPSHOT, suspects: new Set(['b']), flapping: new Set() });
  await store.close();
  return join(directory, (await readdir(directory))[0] ?? '');
}

test('a list comes back as it was, without suspects, with its age, readable by us alone', async () => {
  const path = await saved();
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  await clock.advance(60_000);
  expect(await open().load(KEY)).toEqual({
    ...SNAPSHOT,
    instances: [SNAPSHOT.instances[0]],
    observedAtMs: 1_000,
    origin: 'disk',
  });
});

test('a list of many lots comes back whole', async () => {
  const store = open();
  const instances = Array.from({ length: 777 }, (_, n) => instance(`i${String(n).padStart(3, '0')}`));
  store.save({ snapshot: { ...SNAPSHOT, instances }, suspects: new Set(), flapping: new Set() });
  await store.close();
  expect((await open().load(KEY))?.instances).toEqual(instances);
  expect(errors).toEqual([]);
});

test('a list of another registry or another service is not taken', async () => {
  await saved();
  expect(await open('other').load(KEY)).toBeUndefined();
  expect(await open().load({ ...KEY, group: 'g' })).toBeUndefined();
  expect(errors).toEqual([]);
});

test('whatever byte is changed, the list is not believed', async () => {
  const path = await saved();
  const whole = await readFile(path);
  for (let at = 0; at < whole.length; at += 7) {
    const damaged = Buffer.from(whole);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    await writeFile(path, damaged);
    expect(await open().load(KEY)).toBeUndefined();
  }
  await writeFile(path, whole.subarray(0, 50));
  expect(await open().load(KEY)).toBeUndefined();
});

test('a file that others may write, or that is a link, is not read', async () => {
  const path = await saved();
  await chmod(path, 0o666);
  expect(await open().load(KEY)).toBeUndefined();
  await chmod(path, 0o600);
  expect(await open().load(KEY)).toBeDefined();
  await writeFile(join(directory, 'copy'), await readFile(path), { mode: 0o600 });
  await rm(path);
  await symlink(join(directory, 'copy'), path);
  expect(await open().load(KEY)).toBeUndefined();
});

test('a directory that cannot be is reported and harms nothing', async () => {
  await writeFile(join(directory, 'file'), '');
  const store = open('fake', join(directory, 'file'));
  store.save({ snapshot: SNAPSHOT, suspects: new Set(), flapping: new Set() });
  await store.close();
  expect(errors).toHaveLength(1);
  expect(await store.load(KEY)).toBeUndefined();
});

test('what a crash left unfinished is removed, what is not ours stays', async () => {
  await writeFile(join(directory, '.0123456789abcdef.tmp'), 'half');
  await writeFile(join(directory, 'foreign'), '');
  await saved();
  expect((await readdir(directory)).map((name) => name.replace(/^[0-9a-f]{32}/, '*')).sort()).toEqual([
    '*.snapshot',
    'foreign',
  ]);
});

test('a watch that starts while the registry is away uses the list on disk, and its loss is judged like any other', async () => {
  await saved();
  const driver = new FakeDriver();
  const registry = createRegistry(driver, 'fake', { clock, snapshots: directory });
  const states: WatchState[] = [];
  const watch = registry.watch(KEY, { onState: (state) => states.push(state) });
  driver.stream.fail(new RegistryError('unavailable', 'down'));
  for (let turn = 0; turn < 200 && watch.view === undefined; turn++) {
    await clock.advance(0);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(watch.view?.snapshot).toMatchObject({ origin: 'disk', instances: [{ id: 'a' }] });
  expect(watch.state).toBe('stale');
  await clock.advance(5_000);
  driver.stream.sink.reading(reading([]));
  expect(watch.view?.snapshot).toMatchObject({ origin: 'held', instances: [{ id: 'a' }] });
  expect(states).toEqual(['syncing', 'stale', 'live']);
  await registry.close();
});
