// What is wrong with a configuration, in the one form in which every part of config/ says it.

/** One thing to mend. */
export interface Problem {
  /** `pilotfish.yaml:12:3`, `PILOTFISH_WEIGHT`, or `configuration` where neither a file nor a variable says anything. */
  readonly where: string;
  /** Field concerned, such as `service.health.interval`; empty where the text as a whole is meant. */
  readonly path: string;
  readonly found: string;
  readonly expected: string;
  /** A name that was probably meant. */
  readonly suggestion?: string;
  /** 1-based; for order. Absent for variables. */
  readonly line?: number;
  readonly column?: number;
}

/** Where in a tree: keys and list positions from the root. */
export type Path = readonly (string | number)[];

const MAX_FOUND_CHARS = 60;
const SECRET_NAME = /pass(?:word|phrase|wd)?|secret|token|credential|private|api_?key|cookie/i;

/** `file:line:column: path: found X, expected Y; did you mean Z?` on one line. */
export function problemText(problem: Problem): string {
  const { where, path, found, expected, suggestion } = problem;
  const field = path === '' ? '' : `${path}: `;
  const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
  return `${where}: ${field}found ${found}, expected ${expected}${hint}`;
}

/** By place in the file; problems of variables come first. */
export function byPlace(a: Problem, b: Problem): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}

/** `service.tags[0]`, `upstreams."a.b".retry`: readable, and unambiguous. */
export function pathText(path: Path): string {
  return path
    .map((step, depth) => {
      if (typeof step === 'number') return `[${step}]`;
      const name = /^[\w*-]{1,64}$/.test(step) ? step : foundText(step);
      return depth === 0 ? name : `.${name}`;
    })
    .join('');
}

/** A path as a key of a Map. */
export function pathKey(path: Path): string {
  return path.join('\u0000');
}

/** A value as a problem shows it: short, on one line, without control characters. */
export function foundText(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'number' || typeof value === 'boolean') return `${value}`;
  if (typeof value !== 'string') return `a ${typeof value}`;
  // Of an address only the scheme, or what follows a user: passwords and tokens are anywhere else in it.
  const shown = value.replace(/^([a-z][a-z0-9+.-]*:\/\/).+$/is, '$1***').replace(/^.*@/s, '***@');
  const short = shown.length > MAX_FOUND_CHARS ? `${shown.slice(0, MAX_FOUND_CHARS)}…` : shown;
  return printable(JSON.stringify(short));
}

/** One line that cannot move the cursor of a terminal or turn the direction of writing: what could, becomes `?`. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '?');
}

/** True for names of fields and variables whose values are never shown. */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** The name that is nearest to a misspelt one; undefined where none is near. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (name.length > 64) return undefined;
  let best: string | undefined;
  let bestDistance = Math.min(3, Math.floor(name.length / 2));
  for (const candidate of known) {
    const gap = distance(name.toLowerCase(), candidate.toLowerCase());
    if (gap < bestDistance || (gap === bestDistance && best === undefined)) {
      best = candidate;
      bestDistance = gap;
    }
  }
  return best;
}

/** Levenshtein distance, row by row. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      next.push(Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + cost));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
