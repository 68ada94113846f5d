// Turns results into the table of docs/conformance.md, and into lines for the terminal.
import type { Case, Harness, Need } from './harness.ts';

/** How a case ended on one registry. */
export type Result =
  | { readonly end: 'passed'; readonly tookMs: number }
  | { readonly end: 'failed'; readonly why: string }
  | { readonly end: 'cannot'; readonly why: string };

/** Why a case cannot be applied to a registry; undefined where it can. */
export function cannotApply(one: Case, harness: Harness): string | undefined {
  const need: Need | undefined = one.needs.find((wanted) => harness.cannot[wanted] !== undefined);
  return need === undefined ? undefined : harness.cannot[need];
}

/** The whole page. The words of failure stand only in the cells of what did not pass. */
export function conformancePage(
  cases: readonly Case[],
  harnesses: readonly Harness[],
  results: ReadonlyMap<string, Result>,
  facts: { readonly at: string; readonly node: string; readonly version: string },
): string {
  const notes: string[] = [];
  const cell = (one: Case, harness: Harness): string => {
    const result = results.get(resultKey(one, harness));
    if (result === undefined) return '–';
    if (result.end === 'passed') return `✓ ${(result.tookMs / 1_000).toFixed(1)} s`;
    if (!notes.includes(result.why)) notes.push(result.why);
    return `${result.end === 'cannot' ? 'cannot apply' : '✗ failed'} [${notes.indexOf(result.why) + 1}]`;
  };
  const rows = cases.map((one) => `| ${[one.id, one.title, ...harnesses.map((h) => cell(one, h))].join(' | ')} |`);
  return [
    '# Conformance',
    '',
    'One suite, every adapter, every registry: what each case means is said in its title and in `test/conformance`.',
    `Written by \`npm run conformance\` on ${facts.at} with Pilotfish ${facts.version}, Node ${facts.node}.`,
    '',
    `| | case | ${harnesses.map((harness) => harness.title).join(' | ')} |`,
    `|---|---|${harnesses.map(() => '---|').join('')}`,
    ...rows,
    '',
    ...notes.map((note, index) => `${index + 1}. ${note.replace(/[\r\n|]+/g, ' ')}`),
    '',
  ].join('\n');
}

/** Key of a result. */
export function resultKey(one: Case, harness: Harness): string {
  return `${harness.title} ${one.id}`;
}
