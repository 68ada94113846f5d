// The figures as docs/scale.md, the same on the terminal.
import type { Machine, RunFacts } from './facts.ts';
import { percentile } from './figures.ts';
import type { Stormed } from './storm.ts';
import type { Latencies, Watched } from './watching.ts';

/** Event loop's delay that a sidecar may have under all changes, in ms. */
const LOOP_BAR_MS = 20;

/** After the registry's return an own record has to be back within so many ms. */
const BACK_BAR_MS = 5_000;

/** All of one run, or of several put together. */
export interface Run {
  readonly watched: readonly Watched[];
  readonly stormed: readonly Stormed[];
  readonly facts: readonly RunFacts[];
}

/** @param joinedBy the command that put earlier runs together; undefined: the run was one. */
export function page({ watched, stormed, facts }: Run, joinedBy: string | undefined): string {
  const commands = facts
    .map(({ command, seconds: took, date }) => `\`${command}\` (${took} s) on ${date}`)
    .join(' and ');
  const parts = [
    '# Scale',
    `Measured by ${commands}${joinedBy === undefined ? '' : `, put together by \`${joinedBy}\``}; not edited by hand. Real ` +
      'servers on the same machine, one member each, with their default limits. CPU is user + system of the sidecar by the ' +
      'kernel’s accounting, in parts of one core.',
    ...(facts.some(({ isQuick }) => isQuick) ? ['**A tenth of the size: a look, not a result.**'] : []),
    table(
      ['machine', ''],
      [
        ['CPU', told(facts, ({ cpu, cores }) => `${cpu}, ${cores} cores, shared with the registry and who changes it`)],
        ['load average', facts.map(({ startedLoad }) => startedLoad.toFixed(1)).join(', ') + ' before the run'],
        ['memory', told(facts, ({ memoryGb }) => `${memoryGb} GB`)],
        ['system', told(facts, ({ system }) => system)],
        ['Node', told(facts, ({ node }) => node)],
      ],
    ),
    ...watchParts(watched),
    ...stormParts(stormed),
  ];
  return `${parts.join('\n\n')}\n`;
}

/** Of the machines of all runs, each value once. */
function told(facts: readonly RunFacts[], read: (machine: Machine) => string): string {
  return [...new Set(facts.map(({ machine }) => read(machine)))].join('; ');
}

/** Like `1,000 services × 10`. */
function titleOf({ services, instances }: Watched['plan']): string {
  const [many, each] = [services, instances].map((count) => count.toLocaleString('en'));
  return `${many ?? ''} ${services === 1 ? 'service' : 'services'} × ${each ?? ''}`;
}

function watchParts(watched: readonly Watched[]): string[] {
  if (watched.length === 0) return [];
  const rest = watched.map(({ registry, plan, readyMs, rest: at }) => [
    registry,
    titleOf(plan),
    seconds(readyMs),
    `${at.residentMb.toFixed(0)} MB`,
    share(at.cpu),
    at.requestsPerSecond.toFixed(1),
  ]);
  const single = watched.map(({ registry, plan, single: at, bars }) => [
    registry,
    titleOf(plan),
    ...fates(at),
    ms(percentile(at.ack, 0.99)),
    ms(percentile(at.whole, 0.5)),
    judged(percentile(at.whole, 0.99), bars.single),
    ms(percentile(at.afterAck, 0.99)),
  ]);
  const many = watched.map(({ registry, plan, many: at, bars }) => [
    registry,
    titleOf(plan),
    at.changesPerSecond.toFixed(0),
    ...fates(at),
    ms(percentile(at.ack, 0.99)),
    ms(percentile(at.whole, 0.5)),
    judged(percentile(at.whole, 0.99), bars.many),
    ms(percentile(at.afterAck, 0.99)),
    judged(at.loopP99Ms, LOOP_BAR_MS),
    share(at.cpu),
    `${at.residentMb.toFixed(0)} MB`,
    at.requestsPerSecond.toFixed(0),
  ]);
  return [
    '## One sidecar that watches much',
    'A sidecar in a process of its own, all services named in its configuration. *Change to picker*: from when a writer ' +
      'begins to write a record, the registry’s own work included, to when the picker of that service has it (where a ' +
      'service changes faster than 50 times a second, changes that a later one of the same instance overtook are not ' +
      'counted). *Acknowledged*: from there to when the registry has told the writer; what comes *after the ' +
      'acknowledgement* is the sidecar’s own part, and the registry’s in telling it. After the last acknowledgement it is ' +
      'waited, for a minute at most, until the last change of each instance is in the picker; *missing*: instances of which ' +
      'it never was.',
    'At rest:',
    table(['registry', '', 'all lists there', 'memory', 'CPU', 'requests/s to the registry'], rest),
    'One change at a time:',
    table(
      ['registry', '', ...FATES, 'acknowledged p99', 'change to picker p50', 'p99', 'after the acknowledgement p99'],
      single,
    ),
    'Changes all the time:',
    table(
      [
        'registry',
        '',
        'changes/s',
        ...FATES,
        'acknowledged p99',
        'change to picker p50',
        'p99',
        'after the acknowledgement p99',
        'event loop p99',
        'CPU',
        'memory',
        'requests/s to the registry',
      ],
      many,
    ),
  ];
}

function stormParts(stormed: readonly Stormed[]): string[] {
  if (stormed.length === 0) return [];
  const rows = stormed.map((one) => [
    one.registry,
    String(one.plan.adapters),
    seconds(one.readyMs),
    `${one.residentMb.toFixed(0)} MB`,
    share(one.restCpu),
    one.restPerSecond.toFixed(0),
    one.peakPerSecond.toFixed(0),
    seconds(one.halfMs),
    judgedSeconds(one.lastMs, BACK_BAR_MS),
    seconds(one.liveMs),
    seconds(one.wholeMs),
    String(one.shrunk),
  ]);
  const [plan] = stormed.map((one) => one.plan);
  return [
    '## A registry that comes back to many',
    `${plan?.adapters ?? 0} adapters in ${plan?.processes ?? 0} processes (not as many sidecars: two cores cannot carry them), ` +
      `each with a record of its own (TTL ${(plan?.ttlMs ?? 0) / 1_000} s) and a watch of all ${plan?.adapters ?? 0}. The ` +
      `registry is killed −9 for ${(plan?.awayMs ?? 0) / 1_000} s; times count from when it answers again. *All*: all are ` +
      'registered, all watches live, all lists whole. *Lost*: lists that missed anybody when it came back.',
    table(
      [
        'registry',
        'adapters',
        'all there at the start',
        'memory of all',
        'CPU of all at rest',
        'requests/s at rest',
        'most in 0.25 s, as requests/s',
        'half of the records back',
        'the last back',
        'all watches live',
        'all lists whole',
        'lost',
      ],
      rows,
    ),
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

const FATES = ['changes made', 'seen', 'missing'];

/** Those that are neither seen nor missing were overtaken by a later one of the same instance. */
function fates({ made, whole, missing }: Latencies): string[] {
  return [made, whole.length]
    .map((count) => count.toLocaleString('en'))
    .concat(`${missing} (${missing > 0 ? 'miss' : 'pass'})`);
}

function judged(figure: number, bar: number): string {
  return `${ms(figure)} (${figure <= bar ? 'pass' : 'miss'}: ≤ ${bar} ms)`;
}

function judgedSeconds(figureMs: number, barMs: number): string {
  return `${seconds(figureMs)} (${figureMs <= barMs ? 'pass' : 'miss'}: ≤ ${barMs / 1_000} s)`;
}

function ms(figure: number): string {
  return `${figure.toFixed(1)} ms`;
}

function seconds(figureMs: number): string {
  return `${(figureMs / 1_000).toFixed(2)} s`;
}

function share(cpu: number): string {
  return `${(cpu * 100).toFixed(1)} %`;
}
