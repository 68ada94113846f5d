import { expect, it } from 'vitest';
import { lastOf } from '../scale/figures.ts';
import { commandText, readOptions } from '../scale/options.ts';

const REGISTRIES = ['etcd', 'consul'];

it('a run of everything is whole, however it is asked for; of less, or of earlier runs, it is not', () => {
  const isWhole = (...argv: string[]): boolean => readOptions(argv, REGISTRIES).isWhole;
  expect([isWhole(), isWhole('--json', 'a.json'), isWhole('--only', 'consul,etcd')]).toEqual([true, true, true]);
  expect([isWhole('--plans', 'deep,wide'), isWhole('--only', 'etcd'), isWhole('--page', 'a.json')]).toEqual([
    false,
    false,
    false,
  ]);
});

it.each([
  [['--only', 'etcd,zookeeper'], '--only zookeeper: expected some of etcd,consul'],
  [['--plans', 'wide,storms'], '--plans storms: expected some of wide,deep,storm'],
  [['--plans', ''], '--plans : expected some of wide,deep,storm'],
  [['--page', 'a.json', '--only', 'etcd'], '--page measures nothing'],
])('%j is refused', (argv, message) => {
  expect(() => readOptions(argv, REGISTRIES)).toThrow(message);
});

it('a command is told as it was given, files by their names', () => {
  expect(commandText([])).toBe('npm run scale');
  expect(commandText(['--only', 'etcd,consul', '--json=/somewhere/a.json'])).toBe(
    'npm run scale -- --only etcd,consul --json=a.json',
  );
  expect(commandText(['--page', '/x/a.json,y/b.json'])).toBe('npm run scale -- --page a.json,b.json');
});

it('the last change of an instance is the one that is waited for', () => {
  const made = [
    { id: 'a', at: '1', acknowledgedUs: 2 },
    { id: 'b', at: '2', acknowledgedUs: 9 },
    { id: 'a', at: '3', acknowledgedUs: 4 },
  ];
  expect([...lastOf(made)]).toEqual([
    ['a', '3'],
    ['b', '2'],
  ]);
});
