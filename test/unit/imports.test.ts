// Holds the house to its plan: imports point one way, there are no circles, and only a few places see the outside.
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Lower may not see higher; places of one rank do not see each other. */
const RANKS: readonly (readonly string[])[] = [
  ['src/errors.ts', 'src/util'],
  ['src/http', 'src/telemetry'],
  ['src/config', 'src/registry'],
  ['adapters', 'src/balancer', 'src/http1'],
  ['src/upstream'],
  ['src/resilience', 'src/middleware'],
  ['src/router'],
  ['src/runtime'],
  ['src/listener', 'src/admin'],
  ['src/sidecar.ts', 'src/sidecar-admin.ts'],
  ['src/index.ts', 'src/cli'],
  ['src/main.ts'],
];

/** Files over 300 lines, each with its reason. */
const LONG: Readonly<Record<string, string>> = {
  'src/sidecar.ts': 'the composition root: every part once, in the order in which they depend on each other',
  'src/http1/server-connection.ts': 'one state machine: reading, pausing, closing and lingering share all of its state',
  'src/registry/registration.ts':
    'one loop that begins, keeps, repairs and ends a life: split, its order could not be read',
  'src/upstream/upstream.ts': 'the one writer of an upstream: list, health and picker change together, in one order',
};

/** The configuration reads URLs of registries as the registries themselves do. */
const registryUrls: ReadonlySet<string> = new Set([
  'src/config/schema/registry.ts → src/registry/locator.ts',
  'src/config/variables.ts → src/registry/locator.ts',
  'src/config/variables.ts → src/registry/types.ts',
]);

interface Import {
  readonly from: string;
  readonly to: string;
}

function files(folder: string): string[] {
  return readdirSync(resolve(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, resolve(entry.parentPath, entry.name)));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(resolve(root, file), 'utf8');
  const specifiers = text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g);
  return [...specifiers].map(([, specifier = '']) => ({
    from: file,
    to: relative(root, resolve(root, dirname(file), specifier)),
  }));
}

function placeOf(file: string): { readonly place: string; readonly rank: number } {
  for (const [rank, places] of RANKS.entries()) {
    const place = places.find((candidate) => file === candidate || file.startsWith(`${candidate}/`));
    if (place !== undefined) return { place, rank };
  }
  throw new Error(`${file} has no place in the plan: give it one in RANKS`);
}

const all = [...files('src'), ...files('adapters')];
const imports = all.flatMap(importsOf);

describe('the structure', () => {
  it('reads imports at all', () => {
    expect(imports.length).toBeGreaterThan(100);
  });

  it('has imports that point one way', () => {
    const wrong = imports.filter(({ from, to }) => {
      const [a, b] = [placeOf(from), placeOf(to)];
      return (
        a.place !== b.place &&
        b.rank >= a.rank &&
        !(from === 'src/sidecar.ts' && to === 'src/sidecar-admin.ts') &&
        !registryUrls.has(`${from} → ${to}`) &&
        !(a.place === 'src/util' && to === 'src/errors.ts')
      );
    });
    expect(wrong.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
  });

  it('has no circles between files', () => {
    const edges = new Map<string, string[]>();
    for (const { from, to } of imports) edges.set(from, [...(edges.get(from) ?? []), to]);
    const state = new Map<string, 'open' | 'done'>();
    const circles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (state.get(file) === 'done') return;
      if (state.get(file) === 'open') {
        circles.push([...path.slice(path.indexOf(file)), file].join(' → '));
        return;
      }
      state.set(file, 'open');
      for (const next of edges.get(file) ?? []) visit(next, [...path, file]);
      state.set(file, 'done');
    };
    for (const file of all) visit(file, []);
    expect(circles).toEqual([]);
  });

  it('lets only the composition root and the command line see adapters', () => {
    const wrong = imports.filter(
      ({ from, to }) => to.startsWith('adapters/') && !/^(adapters\/|src\/sidecar\.ts|src\/cli\/)/.test(from),
    );
    expect(wrong).toEqual([]);
  });

  it('lets adapters see errors, util and registry alone', () => {
    const wrong = imports.filter(
      ({ from, to }) =>
        from.startsWith('adapters/') && !/^(adapters\/|src\/errors\.ts|src\/util\/|src\/registry\/)/.test(to),
    );
    expect(wrong).toEqual([]);
  });

  it('has one barrel and no default exports', () => {
    const withDefault = all.filter((file) => /^export default/m.test(readFileSync(resolve(root, file), 'utf8')));
    const barrels = all.filter(
      (file) =>
        file !== 'src/index.ts' && /^export (\*|\{[^}]*\}) from/m.test(readFileSync(resolve(root, file), 'utf8')),
    );
    expect({ withDefault, barrels }).toEqual({ withDefault: [], barrels: [] });
  });

  it('has files that fit a few screens, or a reason not to', () => {
    const long = all.filter((file) => readFileSync(resolve(root, file), 'utf8').split('\n').length > 301);
    expect(long.sort()).toEqual(Object.keys(LONG).sort());
  });
});
