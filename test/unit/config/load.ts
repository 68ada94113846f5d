// Texts as configurations, for the tests of this folder.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Config } from '../../../src/config/config.ts';
import { problemText } from '../../../src/config/problem.ts';
import { loadConfig } from '../../../src/config/source.ts';
import type { Loaded } from '../../../src/config/source.ts';

export type Env = Readonly<Record<string, string>>;

/** A file that is there until the test ends. */
export function fileWith(content: string | Buffer): string {
  const directory = mkdtempSync(join(tmpdir(), 'pilotfish-config-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'pilotfish.yaml');
  writeFileSync(file, content);
  return file;
}

export function load(yaml: string, env: Env = {}): Promise<Loaded> {
  return loadConfig({ file: fileWith(yaml), env });
}

/** The problems as a person reads them, the file's folder taken off. */
export async function problemsOf(yaml: string, env: Env = {}): Promise<string[]> {
  const loaded = await load(yaml, env);
  return loaded.ok
    ? []
    : loaded.problems.map((problem) => problemText(problem).replace(/^.*\/(?=pilotfish\.yaml)/, ''));
}

/** Throws with the problems where there are any. */
export async function configOf(yaml: string, env: Env = {}): Promise<Config> {
  const loaded = await load(yaml, env);
  if (loaded.ok) return loaded.config;
  throw new Error(loaded.problems.map(problemText).join('\n'));
}

/** From the environment alone. */
export async function fromEnv(env: Env): Promise<Loaded> {
  return loadConfig({ file: fileWith(''), env });
}
