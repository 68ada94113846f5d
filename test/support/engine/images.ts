// Whether an engine has the images that tests run, by their official names: there, pulled, or, in one of our own, stand-ins.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Engine } from './engine.ts';

const SCRIPT = fileURLToPath(new URL('images.sh', import.meta.url));
const LIST = fileURLToPath(new URL('../servers/images.txt', import.meta.url));
/** Several hundred megabytes to pull, or to pack. */
const EACH_MS = 400_000;

/** Sees to it that they are there, one after the other. Gives those that are not to be had, each with the reason. */
export function ensureImages(
  { docker, isOwn }: Engine,
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  return new Promise((resolve, reject) => {
    const words = [SCRIPT, ...(isOwn ? ['--stand-ins'] : []), ...names];
    execFile(
      'bash',
      words,
      { env: docker.environment, timeout: EACH_MS * names.length, maxBuffer: 33_554_432 },
      (error, stdout, stderr) => {
        const lines = stdout.trimEnd().split('\n');
        const missing = lines.flatMap((line) => {
          const [, name, reason] = /^(\S+): not to be had: (.*)$/.exec(line) ?? [];
          return name === undefined || reason === undefined ? [] : [[name, reason] as const];
        });
        if (error === null || missing.length > 0) resolve(new Map(missing));
        else reject(new Error(`images.sh: ${stderr.trim() || error.message}`));
      },
    );
  });
}

/**
 * The images of one repository in servers/images.txt. In the full form all that can be had; else those that the engine has
 * already, or, where it has none, the first of the list: no version is pulled for a run that looks at one.
 */
export async function serverImages(
  engine: Engine,
  repository: string,
): Promise<{ readonly there: readonly string[]; readonly missing: ReadonlyMap<string, string> }> {
  const names = readFileSync(LIST, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith(`${repository}:`));
  const isFull = process.env['PILOTFISH_CONFORMANCE'] === 'full';
  const has = await Promise.all(names.map((name) => engine.docker.hasImage(name)));
  const there = names.filter((_, n) => has[n]);
  if (!isFull && there.length > 0) return { there, missing: new Map() };
  const wanted = isFull ? names : names.slice(0, 1);
  const missing = await ensureImages(engine, wanted);
  return { there: wanted.filter((name) => !missing.has(name)), missing };
}
