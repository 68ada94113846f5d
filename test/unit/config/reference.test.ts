import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { problemText } from '../../../src/config/problem.ts';
import { jsonSchema, referencePage } from '../../../src/config/reference.ts';
import { configOf } from './load.ts';
import { loadConfig } from '../../../src/config/source.ts';

const root = new URL('../../../', import.meta.url);
const SAMPLES = 'deploy/samples';

function text(path: string): string {
  return readFileSync(new URL(path, root), 'utf8');
}

/** `service.health.http` and so on; names of upstreams and services become `<name>`. */
function fieldsOf(value: unknown, path: readonly string[] = []): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [path.join('.')];
  const entries = Object.entries(value);
  if (entries.length === 0) return [path.join('.')];
  const isNamed = path.join('.') === 'upstreams';
  return entries.flatMap(([key, child]) => fieldsOf(child, [...path, isNamed ? '<name>' : key]));
}

describe('the reference', () => {
  it('is what the schema says (npm run docs)', () => {
    expect(text('docs/configuration.md')).toBe(referencePage());
  });

  it('has the JSON Schema of the schema (npm run docs)', () => {
    expect(JSON.parse(text('docs/pilotfish.schema.json'))).toEqual(JSON.parse(jsonSchema()));
  });

  it('says of every field what it means', () => {
    const bare = referencePage()
      .split('\n')
      .filter((line) => /^\| `[a-z].*\|\s+\|$/.test(line) && !line.includes('PILOTFISH_'));
    expect(bare).toEqual([]);
  });
});

describe('the sample configurations', () => {
  const samples = readdirSync(new URL(SAMPLES, root));

  it.each(samples)('%s is valid', async (name) => {
    const file = fileURLToPath(new URL(`${SAMPLES}/${name}`, root));
    const loaded = await loadConfig({ file, env: {} });
    expect(loaded.ok ? [] : loaded.problems.map(problemText)).toEqual([]);
  });

  it('show every field in every-field.yaml, with its default', () => {
    const page = referencePage();
    const rows = [...page.matchAll(/^\| `([a-z][^`]+)` \| [^|]+ \| ([^|]*) \|/gm)].filter(
      ([, , kind]) => kind !== undefined,
    );
    const documented = rows.map(([, field = '']) => field).filter((field) => !field.includes('[]'));
    const leaves = documented.filter((field) => !documented.some((other) => other.startsWith(`${field}.`)));
    const shown = fieldsOf(parse(text(`${SAMPLES}/every-field.yaml`)));
    const isShown = (field: string) => shown.some((one) => one === field || one.startsWith(`${field}.`));
    const alternatives = [
      ...['service', 'upstreams.<name>'].flatMap((of) => [`${of}.health.tcp`, `${of}.health.grpc`]),
      ...['upstream', 'answer.bodyFile'].map((of) => `upstreams.<name>.fallback.${of}`),
    ];
    expect(leaves.filter((field) => !isShown(field) && !alternatives.includes(field))).toEqual([]);
  });

  it('has the defaults of the schema in every-field.yaml', async () => {
    const file = fileURLToPath(new URL(`${SAMPLES}/every-field.yaml`, root));
    const [all, none] = [await loadConfig({ file, env: {} }), await configOf('')];
    if (!all.ok) throw new Error('invalid');
    const { upstreamDefaults, http, drain, listeners, log, admin, registry } = all.config;
    expect({ upstreamDefaults, http, drain, listeners }).toEqual({
      upstreamDefaults: { ...none.upstreamDefaults, zone: { ...none.upstreamDefaults.zone, own: 'eu-1a' } },
      http: none.http,
      drain: none.drain,
      listeners: none.listeners,
    });
    expect(log).toMatchObject(none.log);
    expect(admin.address).toEqual(none.admin.address);
    expect(registry).toMatchObject({ ...none.registry, file: { directory: '/run/pilotfish' } });
  });
});
