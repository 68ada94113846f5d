// HOT PATH. What is counted of requests: plain numbers in one object for each label value, bound once and dropped when idle.
import { CODES, type ErrorCode } from '../errors.ts';
import { Histogram } from './histogram.ts';
import { FLAGS } from './outcome.ts';

/** `1xx` … `5xx`, and what some upstreams make up beyond. */
export const CODE_CLASSES = ['other', '1xx', '2xx', '3xx', '4xx', '5xx'] as const;

/** How tries end: an answer below 500, an answer from 500 on, given up unfinished, or one of the catalogue's codes. */
export const ATTEMPT_OUTCOMES: readonly string[] = [
  'success',
  '5xx',
  'abandoned',
  ...Object.keys(CODES).map((code) => code.slice('PF_'.length).toLowerCase()),
];

/** Flags of a request that its upstream has failed. */
const UPSTREAM_FAILED = /^(?:UH|UF|UC|UT|UPE)(?:,|$)/;

const SUCCESS = 0;
const SERVER_ERROR = 1;
const ABANDONED = 2;
const OUTCOME_OF = new Map(Object.keys(CODES).map((code, index) => [code, ABANDONED + 1 + index]));

/** Index into CODE_CLASSES. */
export function codeClassOf(status: number): number {
  return status >= 100 && status < 600 ? Math.floor(status / 100) : 0;
}

/** Series that a completed request touches: they are dropped when that was too long ago. */
export interface Perishable {
  /** Monotonic ms. */
  usedAtMs: number;
}

/** Requests of one direction and one upstream. Written by the metrics middleware alone. */
export class RequestSeries implements Perishable {
  readonly upstream: string;
  readonly duration = new Histogram();
  receivedBytes = 0;
  sentBytes = 0;
  usedAtMs = 0;
  /** By class, for the flag `-`: nearly all there is. */
  private readonly plain = new Float64Array(CODE_CLASSES.length);
  /** By flag × class. */
  private flagged: Float64Array | undefined = undefined;

  constructor(upstream: string) {
    this.upstream = upstream;
  }

  /** @param flag index into FLAGS. */
  count(status: number, flag: number): void {
    const codeClass = codeClassOf(status);
    if (flag === 0) {
      this.plain[codeClass] = (this.plain[codeClass] ?? 0) + 1;
      return;
    }
    this.flagged ??= new Float64Array(FLAGS.length * CODE_CLASSES.length);
    const cell = flag * CODE_CLASSES.length + codeClass;
    this.flagged[cell] = (this.flagged[cell] ?? 0) + 1;
  }

  /**
   * All requests, and those among them that the upstream has failed: 5xx but for what was refused here (UO), and the flags of
   * a failed upstream, whatever the status (gRPC has 200). docs/resilience.md has the same in PromQL.
   */
  totals(): { readonly requests: number; readonly failures: number } {
    let [requests, failures] = [0, 0];
    for (const { codeClass, flag, count } of this.counts()) {
      requests += count;
      if (UPSTREAM_FAILED.test(flag) || (codeClass === '5xx' && !flag.startsWith('UO'))) failures += count;
    }
    return { requests, failures };
  }

  /** Every combination that was counted so far. */
  *counts(): Generator<{ readonly codeClass: string; readonly flag: string; readonly count: number }> {
    const classes = CODE_CLASSES.length;
    for (let cell = 0; cell < (this.flagged ?? this.plain).length; cell++) {
      const count = (cell < classes ? this.plain : this.flagged)?.[cell] ?? 0;
      if (count === 0) continue;
      yield {
        codeClass: CODE_CLASSES[cell % classes] ?? 'other',
        flag: FLAGS[Math.floor(cell / classes)] ?? '-',
        count,
      };
    }
  }
}

/** Tries on one upstream, whatever the direction. */
export class AttemptSeries implements Perishable {
  readonly upstream: string;
  usedAtMs = 0;
  private readonly cells = new Float64Array(ATTEMPT_OUTCOMES.length);

  constructor(upstream: string) {
    this.upstream = upstream;
  }

  /** @param result as `Attempt.result`. */
  count(result: number | ErrorCode | undefined): void {
    let outcome = SUCCESS;
    if (typeof result === 'number') outcome = result < 500 ? SUCCESS : SERVER_ERROR;
    else outcome = result === undefined ? ABANDONED : (OUTCOME_OF.get(result) ?? ABANDONED);
    this.cells[outcome] = (this.cells[outcome] ?? 0) + 1;
  }

  /** Every outcome that was counted so far. */
  *counts(): Generator<{ readonly outcome: string; readonly count: number }> {
    for (const [index, count] of this.cells.entries()) {
      if (count > 0) yield { outcome: ATTEMPT_OUTCOMES[index] ?? '', count };
    }
  }
}
