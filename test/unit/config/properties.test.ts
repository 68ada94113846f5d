import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { check } from '../../../src/config/check.ts';
import { parseYaml } from '../../../src/config/parse.ts';
import { problemText } from '../../../src/config/problem.ts';
import { substitute } from '../../../src/config/substitute.ts';
import { Tree } from '../../../src/config/tree.ts';
import { applyVariables, VARIABLES } from '../../../src/config/variables.ts';

const RUNS = { numRuns: 500 };

/** Whatever comes of a text, it is a configuration or problems with a place, and nothing of the process has changed. */
function judge(text: string): void {
  const before = Object.getOwnPropertyNames(Object.prototype).join();
  const { tree, problems, isYaml } = parseYaml(text, 'f.yaml', { A: 'a', N: '1' });
  const checked = isYaml ? check(tree) : undefined;
  const all = [...problems, ...(checked?.ok === false ? checked.problems : [])];
  for (const problem of all) {
    expect(problem.where).toMatch(/^f\.yaml:\d+:\d+$/);
    expect(problemText(problem)).not.toMatch(/\n/);
  }
  if (!isYaml) expect(problems.length).toBeGreaterThan(0);
  expect(Object.getOwnPropertyNames(Object.prototype).join()).toBe(before);
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
}

const KEYS = [
  'service',
  'name',
  'app',
  'registry',
  'static',
  'upstreams',
  '*',
  'retry',
  'on',
  'http',
  'paths',
  'log',
  'level',
  'drain',
];
const FOUL = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '', ' ', '0', 'polluted'];

describe('any text', () => {
  it('is judged without throwing', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), judge), RUNS);
  });

  it("made of YAML's own signs is judged without throwing", () => {
    const signs = fc.constantFrom(
      ...Array.from('{}[]:,-?&*!|>%@`"\'#\n \t$~'),
      'a',
      '1',
      '&a ',
      '*a',
      '${A}',
      '${',
      ': ',
      '\n  ',
      '- ',
      '<<: ',
      '!!binary ',
      '...\n---\n',
    );
    fc.assert(
      fc.property(
        fc.array(signs, { maxLength: 60 }).map((parts) => parts.join('')),
        judge,
      ),
      RUNS,
    );
  });
});

describe('any tree', () => {
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(null, true, 0, -1, 1e9, 0.5, '1s', '8KiB', 'a:1', '${A}', '${N}', 'file', ''),
      fc.string(),
      tie('list'),
      tie('map'),
    ),
    list: fc.array(tie('tree'), { maxLength: 4 }),
    map: fc.dictionary(fc.constantFrom(...KEYS, ...FOUL), tie('tree'), { maxKeys: 6, noNullPrototype: false }),
  }));

  it('under the names of the schema is judged without throwing, and pollutes nothing', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...KEYS, ...FOUL), tree), (root) => judge(stringify(root))),
      RUNS,
    );
  });
});

describe('any environment', () => {
  it('is judged without throwing, and problems name the variable', () => {
    const names = VARIABLES.map(({ name }) => name);
    const value = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(
        'file',
        'static',
        'file:///x',
        'file://',
        'etcd://a',
        '__proto__=1',
        'constructor=1',
        'a=b',
        '/x',
        'grpc:',
        'a:1',
        '10s',
        '0',
      ),
    );
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), value), (env) => {
        const tree = new Tree();
        const { problems } = applyVariables(tree, env);
        const checked = check(tree);
        for (const { where } of [...problems, ...(checked.ok ? [] : checked.problems)]) {
          expect(where).toMatch(/^PILOTFISH_/);
        }
      }),
      RUNS,
    );
  });
});

describe('substitute', () => {
  it('gives back any text without dollars, and any text once dollars are doubled', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(substitute(text.replaceAll('$', '$$$$'), {})).toMatchObject({ ok: true, value: text });
      }),
      RUNS,
    );
  });
});
