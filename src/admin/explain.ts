// GET /explain: what would become of a request, without sending it, and what was decided last.
import { json, problem, type Reply } from './reply.ts';
import type { RequestQuestion } from '../runtime/explain.ts';
import type { AdminSources } from './sources.ts';

const KNOWN: ReadonlySet<string> = new Set(['host', 'path', 'method', 'header', 'last']);
/** Decisions in one answer. */
const MAX_LAST = 1_000;
/** Fields in one question. */
const MAX_HEADERS = 100;

/** `host`, and `path`, `method`, `header=name:value` (any number), or `last` alone; 422 where the question cannot be read. */
export function explain(sources: AdminSources, { query }: { readonly query: URLSearchParams }): Reply {
  const unknown = [...query.keys()].find((name) => !KNOWN.has(name));
  if (unknown !== undefined) return unreadable(`there is no "${unknown}"; there are: ${[...KNOWN].join(' ')}`);
  const host = query.get('host');
  const last = query.get('last');
  if (last !== null && !/^\d{1,4}$/.test(last)) return unreadable(`"last" is a number from 0 to ${MAX_LAST}`);
  const count = last === null ? undefined : Math.min(MAX_LAST, Number(last));
  if (host === null) {
    if (count === undefined) return unreadable('name the host that the app would call: ?host=orders&path=/v1/7');
    return json(200, { decisions: sources.decisions(count) });
  }
  const headers = query.getAll('header').map(headerOf);
  if (headers.length > MAX_HEADERS) return unreadable(`at most ${MAX_HEADERS} headers`);
  if (!headers.every((header) => header !== undefined)) return unreadable('"header" is name:value');
  const question: RequestQuestion = {
    host,
    target: query.get('path') ?? '/',
    method: query.get('method') ?? 'GET',
    headers,
  };
  const explanation = sources.explain(question);
  return json(200, count === undefined ? explanation : { ...explanation, decisions: sources.decisions(count) });
}

function unreadable(detail: string): Reply {
  return problem(422, 'Unreadable question', detail);
}

function headerOf(text: string): readonly [name: string, value: string] | undefined {
  const match = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/.exec(text);
  return match === null ? undefined : [match[1] ?? '', (match[2] ?? '').trimEnd()];
}
