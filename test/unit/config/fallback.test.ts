import { writeFileSync } from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { maskedConfig } from '../../../src/config/mask.ts';
import { configOf, problemsOf } from './load.ts';

const ANSWER = 'fallback: { answer: { body: none } }';

function contentFile(content: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'pilotfish-content-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'content');
  writeFileSync(file, content);
  return file;
}

describe('a fallback', () => {
  it('is a fixed answer or another upstream, after the failures that it names', async () => {
    const { upstreams } = await configOf(`
upstreams:
  orders: { fallback: { upstream: standby, on: [timeout, 503] } }
  standby: { ${ANSWER} }`);
    expect(upstreams.get('orders')?.fallback).toMatchObject({
      upstream: 'standby',
      reasons: ['timeout'],
      statuses: [503],
    });
    const { fallback } = upstreams.get('standby') ?? {};
    expect(fallback?.reasons).toEqual(['breaker-open', 'no-endpoint', 'connect-failed', 'timeout']);
    expect(fallback?.answer?.body?.content().toString()).toBe('none');
  });

  it('is taken whole from one place: the own one, else that of "*"; off is none', async () => {
    const { upstreams } = await configOf(`
upstreams:
  '*': { ${ANSWER} }
  a: {}
  b: { fallback: { upstream: c } }
  c: { fallback: off }`);
    expect(upstreams.get('a')?.fallback?.answer?.status).toBe(200);
    expect(upstreams.get('b')?.fallback).toMatchObject({ answer: undefined, upstream: 'c' });
    expect(upstreams.get('c')?.fallback).toBeUndefined();
  });

  it('has its content from a file, which /config shows by its name', async () => {
    const file = contentFile('from a file');
    const config = await configOf(`upstreams: { a: { fallback: { answer: { bodyFile: ${file} } } } }`);
    expect(config.upstreams.get('a')?.fallback?.answer?.body?.content().toString()).toBe('from a file');
    expect(JSON.stringify(maskedConfig(config))).toContain(`"body":{"file":"${file}","bytes":11}`);
  });
});

describe('what is wrong with a fallback is said where it stands', () => {
  it.each<[string, string, string]>([
    [
      'an unknown upstream',
      'upstreams:\n  orders:\n    fallback: { upstream: standbi }\n  standby: {}',
      'pilotfish.yaml:3:27: upstreams.orders.fallback.upstream: found "standbi", expected the name of an upstream of this configuration (orders, standby); did you mean "standby"?',
    ],
    [
      'itself',
      'upstreams:\n  orders:\n    fallback: { upstream: orders }',
      'pilotfish.yaml:3:27: upstreams.orders.fallback.upstream: found "orders", expected an upstream that does not lead back (orders → orders)',
    ],
    [
      'an upstream for all leads that one to itself',
      "upstreams:\n  '*':\n    fallback: { upstream: standby }\n  standby: {}",
      'pilotfish.yaml:3:27: upstreams.*.fallback.upstream: found "standby", expected an upstream that does not lead back (standby → standby)',
    ],
    [
      'both kinds',
      'upstreams:\n  a:\n    fallback: { upstream: b, answer: {} }\n  b: {}',
      'expected off, or a mapping with either answer or upstream',
    ],
    [
      'neither kind',
      'upstreams:\n  a:\n    fallback: { on: [timeout] }',
      'expected off, or a mapping with either answer or upstream',
    ],
    [
      'two contents',
      'upstreams: { a: { fallback: { answer: { body: a, bodyFile: package.json } } } }',
      'expected only one of body and bodyFile',
    ],
    [
      'no such file',
      'upstreams:\n  a:\n    fallback:\n      answer: { bodyFile: /nowhere/at/all }',
      'pilotfish.yaml:4:27: upstreams.a.fallback.answer.bodyFile: found "/nowhere/at/all", expected a file that can be read, of at most 64 KiB',
    ],
    [
      'no ordinary file',
      'upstreams: { a: { fallback: { answer: { bodyFile: /dev/zero } } } }',
      'expected a file that can be read',
    ],
    [
      'framing is not for configuration',
      'upstreams: { a: { fallback: { answer: { headers: { Content-Length: "7" } } } } }',
      'expected the name of a field that is not about the connection',
    ],
    [
      'a line break in a field',
      'upstreams: { a: { fallback: { answer: { headers: { x-a: "b\\r\\nc: d" } } } } }',
      'expected the value of a field',
    ],
    [
      'content that the status cannot have',
      'upstreams: { a: { fallback: { answer: { status: 204, body: x } } } }',
      'expected no body with the status 204',
    ],
    [
      'a reason that is none',
      'upstreams: { a: { fallback: { on: [404], answer: {} } } }',
      'expected breaker-open, no-endpoint',
    ],
  ])('%s', async (_what, yaml, expected) => {
    const problems = await problemsOf(yaml);
    expect(problems.join('\n')).toContain(expected);
  });

  it('a circle is told of at each of its members', async () => {
    const problems = await problemsOf(
      'upstreams:\n  a: { fallback: { upstream: b } }\n  b: { fallback: { upstream: c } }\n  c: { fallback: { upstream: a } }\n  d: { fallback: { upstream: a } }',
    );
    expect(problems).toHaveLength(3);
    expect(problems[0]).toContain('(a → b → c → a)');
  });
});
