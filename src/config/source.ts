// File and environment → Config, or everything that is wrong with them. The one way in for the command line and for reloads.
import { open } from 'node:fs/promises';
import { causeChain } from '../errors.ts';
import { check } from './check.ts';
import type { Config } from './config.ts';
import { byPlace } from './problem.ts';
import type { Problem } from './problem.ts';
import { problemsOfRegistryVariables } from './registry-variables.ts';
import type { Environment } from './substitute.ts';
import { Tree } from './tree.ts';
import { applyVariables } from './variables.ts';

export interface LoadOptions {
  /** Path given with `-c`; wins over `PILOTFISH_CONFIG`. */
  readonly file?: string | undefined;
  /** `process.env`, or a test's own. */
  readonly env: Environment;
}

/** `file`: the one that was read, as it was named; undefined where the environment was enough. */
export type Loaded = { readonly file: string | undefined; readonly warnings: readonly string[] } & (
  { readonly ok: true; readonly config: Config } | { readonly ok: false; readonly problems: readonly Problem[] }
);

const DEFAULT_FILE = 'pilotfish.yaml';
/** One more than parse.ts takes, so that it is parse.ts that refuses. */
const MAX_READ_BYTES = 1_048_577;

/** Reads everything and judges it whole; never rejects. Nothing is bound, registered or written. */
export async function loadConfig({ file, env }: LoadOptions): Promise<Loaded> {
  const named = file ?? (env['PILOTFISH_CONFIG'] === '' ? undefined : env['PILOTFISH_CONFIG']);
  const read = await readText(named ?? DEFAULT_FILE);
  if (typeof read !== 'string') {
    if (named === undefined && read.isAbsent) return { file: undefined, ...judge(new Tree(), [], env) };
    const path = named ?? DEFAULT_FILE;
    const where = file === undefined && named !== undefined ? 'PILOTFISH_CONFIG' : path;
    const problem: Problem = { where, path: '', found: read.reason, expected: 'a readable YAML file' };
    return { ok: false, file: path, problems: [problem], warnings: [] };
  }
  const shownAs = named ?? DEFAULT_FILE;
  const { parseYaml } = await import('./parse.ts');
  const { tree, problems, isYaml } = parseYaml(read, shownAs, env);
  if (!isYaml) return { ok: false, file: shownAs, problems, warnings: [] };
  return { file: shownAs, ...judge(tree, problems, env) };
}

type Judged = { readonly warnings: readonly string[] } & (
  { readonly ok: true; readonly config: Config } | { readonly ok: false; readonly problems: readonly Problem[] }
);

function judge(tree: Tree, before: readonly Problem[], env: Environment): Judged {
  const { problems: ofVariables, warnings } = applyVariables(tree, env);
  const earlier = [...before, ...ofVariables, ...problemsOfRegistryVariables(tree, env)];
  const checked = check(tree);
  if (checked.ok && earlier.length === 0) return { ok: true, config: checked.config, warnings };
  const later = checked.ok ? [] : checked.problems;
  // A value that could not be read is missing from the tree: it is not reported again for that.
  const fresh = later.filter(({ path }) => !earlier.some((problem) => problem.path === path));
  return { ok: false, problems: [...earlier, ...fresh].sort(byPlace), warnings };
}

async function readText(path: string): Promise<string | { isAbsent: boolean; reason: string }> {
  try {
    const handle = await open(path);
    try {
      const buffer = Buffer.alloc(MAX_READ_BYTES);
      let length = 0;
      for (;;) {
        const { bytesRead } = await handle.read(buffer, length, MAX_READ_BYTES - length);
        length += bytesRead;
        if (bytesRead === 0 || length === MAX_READ_BYTES) return buffer.toString('utf8', 0, length);
      }
    } finally {
      await handle.close();
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return { isAbsent: true, reason: `no file ${path}` };
    return { isAbsent: false, reason: `${path}, unreadable (${causeChain(error)})` };
  }
}
