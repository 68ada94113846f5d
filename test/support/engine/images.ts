// The images that container tests run: the official Node image or a stand-in, the sidecar built on it, an etcd of ours.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findEtcd } from '../servers/etcd.ts';
import { cacheDirectory, missing } from '../servers/index.ts';
import { serverDirectory } from '../servers/process.ts';
import type { Docker } from './docker.ts';
import type { Engine } from './engine.ts';

/** What the Dockerfile and the compose files build on and run apps with. */
export const NODE_IMAGE = 'node:22-bookworm-slim';
/** The stand-in's name in engines that are not ours; its tag is the digest of what it is made of. */
const STAND_IN = 'pilotfish-test/node';
const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url));
/** What the image is made of, as .dockerignore has it. */
const SOURCES = ['Dockerfile', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json'] as const;
const SOURCE_FOLDERS = ['src', 'adapters'] as const;
/** `npm ci` and a compilation, on a busy machine. */
const BUILD_MS = 300_000;
const PULL_MS = 60_000;

/** The official image where it is there or can be pulled, else the stand-in. An engine of our own never asks a registry. */
export async function nodeImage({ docker, isOwn }: Engine): Promise<string> {
  if (await docker.hasImage(NODE_IMAGE)) return NODE_IMAGE;
  if (!isOwn) {
    const pulled = await docker.run(['pull', NODE_IMAGE], { withinMs: PULL_MS }).catch(() => undefined);
    if (pulled !== undefined) return NODE_IMAGE;
  }
  const script = join(CHECKOUT, 'test/support/engine/base-image.sh');
  const key = digest([script, join(CHECKOUT, 'package-lock.json')], process.version);
  const name = isOwn ? NODE_IMAGE : `${STAND_IN}:${key}`;
  if (await docker.hasImage(name)) return name;
  const archive = await cached(`node-${key}.tar`, async (path) => {
    await promisify(execFile)('bash', [script, CHECKOUT, path], { timeout: BUILD_MS });
  });
  await docker.run(['import', archive, name], { withinMs: BUILD_MS });
  return name;
}

/** Builds the Dockerfile and calls it `name`. An engine of our own, which forgets everything, gets unchanged ones from the cache. */
export async function sidecarImage(engine: Engine, base: string, name: string): Promise<void> {
  const { docker, isOwn } = engine;
  const build = (): Promise<string> =>
    docker.run(['build', '--build-arg', `BASE=${base}`, '--tag', name, CHECKOUT], { withinMs: BUILD_MS });
  if (!isOwn) {
    await build();
    return;
  }
  const folders = SOURCE_FOLDERS.flatMap((folder) =>
    readdirSync(join(CHECKOUT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort(),
  );
  const key = digest([...SOURCES.map((file) => join(CHECKOUT, file)), ...folders], process.version, name);
  const archive = await cached(`sidecar-${key}.tar`, async (path) => {
    await build();
    await docker.run(['save', '--output', path, name], { withinMs: BUILD_MS });
  });
  if (!(await docker.hasImage(name))) await docker.run(['load', '--input', archive], { withinMs: BUILD_MS });
}

/**
 * Makes `name` available: pulled, or, in an engine of our own, built around the newest etcd of the cache (a static program,
 * unlike a distribution's). False, and the reason on the terminal, where neither can be had.
 */
export async function etcdImage({ docker, isOwn }: Engine, name: string): Promise<boolean> {
  if (await docker.hasImage(name)) return true;
  const binary = (await findEtcd()).map(({ found }) => (found.from === 'binary' ? found.path : '')).findLast(isCached);
  if (isOwn && binary !== undefined) {
    await buildEtcd(docker, binary, name);
    return true;
  }
  const reason = isOwn
    ? 'none in the cache (npm run servers)'
    : await docker.run(['pull', name], { withinMs: PULL_MS }).then(() => undefined, String);
  if (reason === undefined) return true;
  missing.set(name, reason);
  process.stderr.write(`\n*** SKIPPED: no image ${name} to test with (${missing.size} missing): ${reason}\n\n`);
  return false;
}

async function buildEtcd(docker: Docker, binary: string, name: string): Promise<void> {
  const context = serverDirectory('etcd-image');
  try {
    copyFileSync(binary, join(context.path, 'etcd'));
    const lines = ['FROM scratch', 'COPY etcd /usr/local/bin/etcd', 'ENV PATH=/usr/local/bin'];
    writeFileSync(join(context.path, 'Dockerfile'), lines.join('\n'));
    await docker.run(['build', '--tag', name, context.path], { withinMs: BUILD_MS });
  } finally {
    context.remove();
  }
}

function isCached(path: string): boolean {
  return path.startsWith(cacheDirectory());
}

/** The file in the cache, made where it is missing; its predecessors are removed. */
async function cached(name: string, make: (path: string) => Promise<void>): Promise<string> {
  const directory = join(cacheDirectory(), 'engine');
  const path = join(directory, name);
  mkdirSync(directory, { recursive: true });
  const kind = name.slice(0, name.indexOf('-') + 1);
  const files = readdirSync(directory).filter((file) => file.startsWith(kind));
  if (files.includes(name)) return path;
  const part = `${path}.${process.pid}`;
  try {
    await make(part);
    renameSync(part, path);
  } finally {
    rmSync(part, { force: true });
  }
  for (const file of files) rmSync(join(directory, file), { force: true });
  return path;
}

function digest(files: readonly string[], ...more: readonly string[]): string {
  const hash = createHash('sha256');
  for (const file of files)
    hash.update(file.slice(CHECKOUT.length)).update('\0').update(readFileSync(file)).update('\0');
  return hash.update(more.join('\0')).digest('hex').slice(0, 16);
}
