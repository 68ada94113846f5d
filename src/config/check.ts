// Tree → Config: the schema judges the values, and each of its complaints is turned into a Problem at the right place.
import type { core } from 'zod';
import type { Config } from './config.ts';
import { fallbackErrors } from './fallback-targets.ts';
import { foundText, isSecretName, nearest, pathText } from './problem.ts';
import type { Path, Problem } from './problem.ts';
import { resolve } from './resolve.ts';
import { fileSchema } from './schema/config.ts';
import type { Tree } from './tree.ts';
import { variableOf } from './variables.ts';

/** Either the whole configuration or everything that is wrong with it. */
export type Checked =
  { readonly ok: true; readonly config: Config } | { readonly ok: false; readonly problems: readonly Problem[] };

type Issue = core.$ZodIssue;

/** Fields that are never shown, since people put passwords and tokens there: anywhere in the text, not before an `@` alone. */
const ADDRESS_FIELD = /^registry\.\w+\.(?:address|endpoints)\b/;

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
};

/** Judges a tree. Texts that came from the environment stand for numbers and booleans where the schema wants those. */
export function check(tree: Tree): Checked {
  emptyUpstreams(tree);
  let result = fileSchema.safeParse(tree.root, { error: expectedOf });
  if (!result.success && retype(tree, result.error.issues)) {
    result = fileSchema.safeParse(tree.root, { error: expectedOf });
  }
  if (!result.success) {
    return { ok: false, problems: result.error.issues.flatMap((issue) => problemsOf(tree, issue, issue.path as Path)) };
  }
  const stray = ['upstreams', '*', 'service'];
  if (tree.get(stray) !== undefined) {
    const problem = problemAt(tree, stray, 'a service for all', 'it under the name of one upstream', true);
    return { ok: false, problems: [problem] };
  }
  const config = resolve(result.data, tree);
  const problems = fallbackErrors(config).map(({ owner, name, expected }) => {
    const own = ['upstreams', owner, 'fallback', 'upstream'];
    const path = tree.get(own) === undefined ? ['upstreams', '*', 'fallback', 'upstream'] : own;
    const problem = problemAt(tree, path, undefined, expected);
    const suggestion = config.upstreams.has(name) ? undefined : nearest(name, [...config.upstreams.keys()]);
    return suggestion === undefined ? problem : { ...problem, suggestion };
  });
  return problems.length > 0 ? { ok: false, problems } : { ok: true, config };
}

/** What the schema wanted, where its field does not say so itself. */
function expectedOf(issue: core.$ZodRawIssue): string {
  if (issue.code === 'invalid_type') return TYPE_NAMES[issue.expected] ?? issue.expected;
  if (issue.code === 'too_big') return `at most ${String(issue.maximum)}`;
  if (issue.code === 'too_small') return `at least ${String(issue.minimum)}`;
  if (issue.code === 'invalid_value') return issue.values.map(String).join(', ');
  if (issue.code !== 'unrecognized_keys') return 'another value';
  const definition = issue.inst?._zod.def as { readonly shape?: object } | undefined;
  return Object.keys(definition?.shape ?? {}).join(', ');
}

function problemsOf(tree: Tree, issue: Issue, path: Path): Problem[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => unknownKey(tree, [...path, key], issue.message));
  if (issue.code === 'invalid_union') {
    // A branch that liked the value as such, and disliked something in it, says more than the union does.
    const isInside = (inner: Issue): boolean => inner.path.length > 0 || inner.code === 'unrecognized_keys';
    const branch = issue.errors.find((issues) => issues.some(isInside));
    if (branch === undefined) return [problemAt(tree, path, undefined, issue.message)];
    return branch.flatMap((inner) => problemsOf(tree, inner, [...path, ...(inner.path as Path)]));
  }
  if (issue.code === 'invalid_key') {
    const expected = issue.issues[0]?.message ?? issue.message;
    return [problemAt(tree, path, `the key ${foundText(path.at(-1))}`, expected, true)];
  }
  return [problemAt(tree, path, undefined, issue.message)];
}

function unknownKey(tree: Tree, path: Path, known: string): Problem {
  const key = String(path.at(-1));
  const suggestion = nearest(key, known.split(', '));
  const problem = problemAt(tree, path, `the unknown key ${foundText(key)}`, `one of ${known}`, true);
  return suggestion === undefined ? problem : { ...problem, suggestion };
}

/** @param atKey the key is what is wrong, not its value. */
function problemAt(tree: Tree, path: Path, found: string | undefined, expected: string, atKey = false): Problem {
  const value = tree.get(path);
  const facts = { path: pathText(path), found: found ?? shown(tree, path, value), expected };
  const variable = tree.variable(path) ?? (value === undefined ? missingVariable(tree, path) : undefined);
  if (variable !== undefined) return { where: variable, ...facts };
  for (let length = path.length; length > 0; length--) {
    const place = tree.place(path.slice(0, length));
    if (place === undefined) continue;
    // What is missing is reported at the key of the mapping that should hold it.
    const spot = (atKey || length < path.length ? place.key : undefined) ?? place.value;
    return { where: `${tree.file ?? ''}:${spot.line}:${spot.column}`, ...facts, line: spot.line, column: spot.column };
  }
  if (tree.file === undefined) return { where: 'configuration', ...facts };
  return { where: `${tree.file}:1:1`, ...facts, line: 1, column: 1 };
}

/** A field that is missing beside others that came from variables is missed as a variable. */
function missingVariable(tree: Tree, path: Path): string | undefined {
  return tree.place(path.slice(0, -1)) === undefined ? variableOf(pathText(path)) : undefined;
}

function shown(tree: Tree, path: Path, value: unknown): string {
  const names = tree.substitutedFrom(path);
  const isHidden = ADDRESS_FIELD.test(pathText(path)) || [...path.map(String), ...names].some(isSecretName);
  if (value !== undefined && isHidden) return 'a value that is not shown';
  return names.length === 0 ? foundText(value) : `${foundText(value)} (from ${names.join(', ')})`;
}

/** `orders:` with nothing behind it names an upstream that takes every default. */
function emptyUpstreams(tree: Tree): void {
  const upstreams = tree.get(['upstreams']);
  if (typeof upstreams !== 'object' || upstreams === null || Array.isArray(upstreams)) return;
  for (const [name, entry] of Object.entries(upstreams)) {
    if (entry === null) tree.set(['upstreams', name], {});
  }
}

/** Numbers and booleans for texts from the environment, where the schema asked for them. @returns true if any changed. */
function retype(tree: Tree, issues: readonly Issue[]): boolean {
  let hasChanged = false;
  for (const issue of issues) {
    const path = issue.path as Path;
    const text = tree.get(path);
    if (issue.code !== 'invalid_type' || typeof text !== 'string') continue;
    if (tree.variable(path) === undefined && tree.substitutedFrom(path).length === 0) continue;
    const value = typed(text.trim(), issue.expected);
    if (value === undefined) continue;
    tree.set(path, value);
    hasChanged = true;
  }
  return hasChanged;
}

function typed(text: string, expected: string): number | boolean | undefined {
  if (expected === 'boolean') return text === 'true' ? true : text === 'false' ? false : undefined;
  if (expected !== 'number' && expected !== 'int') return undefined;
  return /^-?\d{1,15}(?:\.\d{1,15})?$/.test(text) ? Number(text) : undefined;
}
