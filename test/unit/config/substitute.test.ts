import { describe, expect, it } from 'vitest';
import { substitute } from '../../../src/config/substitute.ts';
import { configOf, problemsOf } from './load.ts';

const env = { NAME: 'orders', EMPTY: '', DOLLAR: '${NAME}' };

describe('substitute', () => {
  it.each([
    ['nothing to do', 'nothing to do'],
    ['${NAME}', 'orders'],
    ['a-${NAME}-b-${NAME}', 'a-orders-b-orders'],
    ['${UNSET:-default}', 'default'],
    ['${UNSET:-}', ''],
    ['${EMPTY:-default}', 'default'],
    ['${EMPTY}', ''],
    ['${UNSET:-a:-b}', 'a:-b'],
    ['$$', '$'],
    ['$${NAME}', '${NAME}'],
    ['$$$${NAME}', '$${NAME}'],
    ['$NAME costs 5$', '$NAME costs 5$'],
    ['${DOLLAR}', '${NAME}'],
  ])('%s becomes %s', (text, expected) => {
    expect(substitute(text, env)).toMatchObject({ ok: true, value: expected });
  });

  it.each(['${UNSET}', '${', '${}', '${NAME', '${A B}', '${1A}', '${toString}', '${:-x}'])('%s is refused', (text) => {
    expect(substitute(text, env).ok).toBe(false);
  });
});

describe('variables inside a file', () => {
  it('are replaced in values and never in keys', async () => {
    const yaml = 'service:\n  name: ${NAME}\n  app: "${HOST:-127.0.0.1}:3000"\n  metadata: { "${NAME}": $$5 }';
    const { service } = await configOf(yaml, { NAME: 'orders' });
    expect(service?.name).toBe('orders');
    expect(service?.app).toEqual({ host: '127.0.0.1', port: 3000 });
    expect(service?.metadata).toEqual({ '${NAME}': '$5' });
  });

  it('stand for numbers and booleans where those are wanted, and stay text elsewhere', async () => {
    const yaml =
      'service:\n  name: ${N}\n  app: a:1\n  weight: ${N}\n  metadata: { v: "${N}" }\nlog: { access: "${OFF}" }';
    const { service, log } = await configOf(yaml, { N: '7', OFF: 'false' });
    expect(service).toMatchObject({ name: '7', weight: 7, metadata: { v: '7' } });
    expect(log.access).toBe(false);
  });

  it('cannot change the structure of the file', async () => {
    const { service } = await configOf('service:\n  name: ${NAME}\n  app: a:1', { NAME: 'x, weight: 0 # {' });
    expect(service).toMatchObject({ name: 'x, weight: 0 # {', weight: 100 });
  });

  it('are an error where they are unset, reported once and where they stand', async () => {
    expect(await problemsOf('service:\n  name: ${NAME}\n  app: a:1')).toEqual([
      'pilotfish.yaml:2:9: service.name: found ${NAME}, which is not set, expected a value, or ${NAME:-default}',
    ]);
  });

  it('are named in a problem with their value', async () => {
    expect(await problemsOf('log:\n  level: ${LEVEL}', { LEVEL: 'loud' })).toEqual([
      'pilotfish.yaml:2:10: log.level: found "loud" (from LEVEL), expected one of trace, debug, info, warn, error, fatal, silent',
    ]);
  });

  it('are never shown where their name says that they are secret', async () => {
    const [problem] = await problemsOf('log:\n  level: ${DB_PASSWORD}', { DB_PASSWORD: 'hunter2' });
    expect(problem).toContain('a value that is not shown');
    expect(problem).not.toContain('hunter2');
  });
});
