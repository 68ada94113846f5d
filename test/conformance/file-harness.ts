// The `file` registry under test: directories of its own, a small file system to fill, another user to lock out.
import { execFile, execFileSync } from 'node:child_process';
import { accessSync, chmodSync, chownSync, constants, existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, symlink, truncate, unlink, writeFile } from 'node:fs/promises';
import { release, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createFileAdapter } from '../../adapters/file/file.ts';
import { groupDirectory, recordName, serviceDirectory } from '../../adapters/file/layout.ts';
import { encodeRecord } from '../../src/registry/record.ts';
import type { ServiceInstance, ServiceKey } from '../../src/registry/types.ts';
import type { Harness, Need, Space } from './harness.ts';

const NO_SERVER = 'there is no server: the registry is a directory of this host';
/** While others run in this process, nothing may hold it up. */
const run = promisify(execFile);
const NOBODY = 65_534;
const PLANTED_TTL_MS = 600_000;
/** Records of others that are written at once. */
const AT_ONCE = 50;
const SMALL_DISK_BYTES = 262_144;
const isRoot = process.getuid?.() === 0;
const checkout = fileURLToPath(new URL('../../', import.meta.url));

/** Another user must be able to run the built program. */
function canRunAsNobody(): boolean {
  if (!isRoot) return false;
  try {
    execFileSync(
      process.execPath,
      ['-e', `require('fs').accessSync(${JSON.stringify(join(checkout, 'package.json'))})`],
      {
        uid: NOBODY,
        gid: NOBODY,
        stdio: 'ignore',
      },
    );
    return true;
  } catch {
    return false;
  }
}

function canMount(): boolean {
  if (!isRoot || process.platform !== 'linux') return false;
  try {
    accessSync('/proc/self/mounts', constants.R_OK);
    const probe = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', probe], { stdio: 'ignore' });
    execFileSync('umount', [probe], { stdio: 'ignore' });
    execFileSync('rmdir', [probe]);
    return true;
  } catch {
    return false;
  }
}

export const fileHarness: Harness = {
  title: `file (Linux ${release().split('-')[0] ?? ''})`,
  cannot: {
    server: NO_SERVER,
    network: NO_SERVER,
    name: NO_SERVER,
    cluster: NO_SERVER,
    tls: NO_SERVER,
    compaction: 'there is no history that could be forgotten',
    credentials: 'there are no credentials: the file system’s permissions decide',
    ...(canRunAsNobody() ? {} : { rights: 'needs root, and a checkout that another user may read' }),
    ...(canMount() ? {} : { 'full-disk': 'needs the right to mount a small file system' }),
  },
  space: (options) => openSpace(options?.needs ?? []),
};

async function openSpace(needs: readonly Need[]): Promise<Space> {
  const base = await mkdtemp(join(tmpdir(), 'pilotfish-conformance-'));
  const disk = join(base, 'disk');
  const root = join(disk, 'registry');
  await mkdir(disk);
  const isSmall = needs.includes('full-disk');
  if (isSmall) await run('mount', ['-t', 'tmpfs', '-o', `size=${SMALL_DISK_BYTES}`, 'tmpfs', disk]);
  await mkdir(root, { mode: 0o700 });
  const forRights = needs.includes('rights');
  if (forRights) {
    for (const path of [base, disk]) chmodSync(path, 0o755);
    chownSync(root, NOBODY, NOBODY);
  }
  const pathOf = (instance: ServiceInstance): string =>
    join(serviceDirectory(root, instance.key), recordName(instance.id));
  const place = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(path), { recursive: true });
    const unfinished = join(base, `unfinished-${Math.random()}`);
    await writeFile(unfinished, text);
    await rename(unfinished, path);
  };
  return {
    selection: { type: 'file', options: { directory: root } },
    open: (context) => Promise.resolve(createFileAdapter({ directory: root }, { allowLoopback: true, ...context })),
    plant: async (instances) => {
      const plantOne = (instance: ServiceInstance): Promise<void> =>
        place(pathOf(instance), encodeRecord(instance, { ttlMs: PLANTED_TTL_MS }));
      for (let first = 0; first < instances.length; first += AT_ONCE) {
        await Promise.all(instances.slice(first, first + AT_ONCE).map(plantOne));
      }
    },
    unplant: (instance) => unlink(pathOf(instance)),
    revoke: (instance) => unlink(pathOf(instance)),
    wipe: async () => {
      await run('find', [root, '-mindepth', '1', '-delete']);
    },
    plantBroken: (key) => plantBroken(root, base, key, place),
    breakDown: () => rename(root, join(base, 'away')).then(() => writeFile(root, 'not a directory')),
    repair: async () => {
      // Who registers may make the directory anew between the two: then both again.
      for (let tries = 1; ; tries++) {
        await rm(root, { recursive: true, force: true, maxRetries: 10 });
        const isBack = await rename(join(base, 'away'), root).then(
          () => true,
          (error: unknown) => {
            if (tries === 100) throw error;
            return false;
          },
        );
        if (isBack) return;
      }
    },
    ...(forRights
      ? {
          actorUid: NOBODY,
          forbid: (key?: ServiceKey) => own(key === undefined ? root : serviceDirectory(root, key), 0, 0o700),
          allow: (key?: ServiceKey) => own(key === undefined ? root : serviceDirectory(root, key), NOBODY, 0o700),
        }
      : {}),
    ...(isSmall
      ? {
          fillDisk: () => fill(join(disk, 'filler')),
          freeDisk: () => unlink(join(disk, 'filler')),
        }
      : {}),
    close: async () => {
      if (isSmall) await run('umount', ['-l', disk]);
      await rm(base, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

async function own(path: string, uid: number, mode: number): Promise<void> {
  await mkdir(path, { recursive: true });
  for (let part = dirname(path); part.includes('/registry'); part = dirname(part)) chownSync(part, NOBODY, NOBODY);
  chownSync(path, uid, uid);
  chmodSync(path, mode);
}

async function fill(path: string): Promise<void> {
  for (let bytes = SMALL_DISK_BYTES; bytes >= 1; bytes = Math.floor(bytes / 2)) {
    try {
      await writeFile(path, Buffer.alloc(bytes), { flag: 'a' });
    } catch {
      // Half of it may still fit.
    }
  }
  if (!existsSync(path)) throw new Error('the disk could not be filled');
}

async function plantBroken(
  root: string,
  base: string,
  key: ServiceKey,
  place: (path: string, text: string) => Promise<void>,
): Promise<number> {
  const directory = serviceDirectory(root, key);
  await mkdir(groupDirectory(root, key), { recursive: true });
  const broken: Readonly<Record<string, string>> = {
    'torn.json': '{"v":1,"host":"10.0.0.1","po',
    'empty.json': '',
    'array.json': '[]',
    'newer.json': '{"v":2}',
    'port.json': '{"v":1,"host":"10.0.0.1","port":0}',
    'metadata.json': '{"v":1,"host":"10.0.0.1","port":1,"metadata":{"a":{}}}',
    'unspecified.json': '{"v":1,"host":"0.0.0.0","port":1}',
    'link-local.json': '{"v":1,"host":"169.254.169.254","port":80}',
    '%zz.json': '{"v":1,"host":"10.0.0.1","port":1}',
    'deep.json': '['.repeat(60_000),
  };
  for (const [name, text] of Object.entries(broken)) await place(join(directory, name), text);
  await place(join(directory, 'huge.json'), '');
  await truncate(join(directory, 'huge.json'), 1e12);
  await place(join(base, 'outside'), '{"v":1,"host":"10.0.0.1","port":1}');
  await symlink(join(base, 'outside'), join(directory, 'link.json'));
  await mkdir(join(directory, 'directory.json'));
  await run('mkfifo', [join(directory, 'fifo.json')]);
  return Object.keys(broken).length + 4;
}
