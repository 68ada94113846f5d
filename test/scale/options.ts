// Command line of `npm run scale`: which registries, which plans, what becomes of the figures.
import { basename } from 'node:path';
import { parseArgs } from 'node:util';

export const HELP = `npm run scale -- [options]

  --only etcd,nacos    some of etcd, consul, nacos
  --plans a,b          wide (1,000 services of 10), deep (one service of 5,000), storm (200 adapters, a restart)
  --quick              a tenth of the size: a look, never written
  --json FILE          the figures; of several runs, --page FILE,FILE makes one page and measures nothing
  --write              writes docs/scale.md although not everything ran
`;

const PLANS = ['wide', 'deep', 'storm'];

export interface Options {
  readonly registries: readonly string[];
  readonly plans: readonly string[];
  /** All registries, all plans, measured now. */
  readonly isWhole: boolean;
  readonly isQuick: boolean;
  readonly write: boolean;
  readonly json: string | undefined;
  /** Files of earlier runs; undefined: measure. */
  readonly page: readonly string[] | undefined;
  readonly help: boolean;
}

/** Throws what is wrong with them. @param registries all that there are. */
export function readOptions(argv: readonly string[], registries: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: 'string' },
      plans: { type: 'string' },
      quick: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      json: { type: 'string' },
      page: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const chosen = { registries: some('--only', values.only, registries), plans: some('--plans', values.plans, PLANS) };
  const page = values.page?.split(',');
  if (page !== undefined && (values.only ?? values.plans ?? (values.quick || undefined)) !== undefined) {
    throw new Error('--page measures nothing: --only, --plans and --quick go with the runs that it puts together');
  }
  const isWhole =
    page === undefined && chosen.registries.length === registries.length && chosen.plans.length === PLANS.length;
  const { quick: isQuick, write, json, help } = values;
  return { ...chosen, isWhole, isQuick, write, json, page, help };
}

/** As it was given, files by their names: where they lie says nothing elsewhere. */
export function commandText(argv: readonly string[]): string {
  const words = argv.map((word) => word.split(/([,=])/).map((part) => basename(part)));
  return ['npm run scale', ...(words.length > 0 ? ['--'] : []), ...words.map((parts) => parts.join(''))].join(' ');
}

/** Each once, in the order of `all`. */
function some(option: string, text: string | undefined, all: readonly string[]): readonly string[] {
  const names = text?.split(',') ?? all;
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) throw new Error(`${option} ${unknown}: expected some of ${all.join(',')}`);
  return all.filter((name) => names.includes(name));
}
