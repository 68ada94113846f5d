// The pickers of one upstream: of the whole, and of each subset that is asked for; replaced together whenever anything changes.
import { QUEUE_PICKER, unavailablePicker, type Picker } from '../balancer/picker.ts';
import type { Plan } from '../balancer/plan.ts';
import type { DrawsOfBefore, PlannedPicker } from '../balancer/planned-picker.ts';
import { Policy } from '../balancer/policies.ts';
import type { Panic } from '../balancer/priority.ts';
import type { Clock } from '../util/clock.ts';
import { Subset } from '../util/labels.ts';
import { arrange, membersOf } from './arrangement.ts';
import type { Endpoint } from './endpoint.ts';
import type { UpstreamOptions } from './options.ts';
import { SlowStart } from './slow-start.ts';
import { Stickiness } from './stickiness.ts';

/** Subsets of one upstream that have a picker at the same time, at most; routes name them, so that there are few. */
const MAX_SUBSETS = 256;

/** One picker and what the next one takes over from it. */
interface Built {
  readonly picker: Picker<Endpoint>;
  /** Undefined where there was nobody. */
  readonly planned: PlannedPicker<Endpoint> | undefined;
  readonly panic: Panic;
  readonly generation: number;
}

/** One writer: its upstream. */
export class Picking {
  /** Undefined where endpoints begin with their whole weight. */
  readonly slowStart: SlowStart | undefined;
  readonly stickiness: Stickiness | undefined;
  /** Of the whole upstream, or of the subset that its configuration names. Replaced, never edited. */
  picker: Picker<Endpoint> = QUEUE_PICKER;
  private readonly options: UpstreamOptions;
  private readonly clock: Clock;
  private readonly policy: Policy<Endpoint>;
  private readonly subset: Subset | undefined;
  private endpoints: readonly Endpoint[] = [];
  private whole: Built | undefined = undefined;
  /** By the text of the subset. */
  private readonly parts = new Map<string, Built>();
  private generation = 0;
  private whyNobody = '';

  constructor(options: UpstreamOptions, clock: Clock) {
    this.options = options;
    this.clock = clock;
    this.policy = new Policy(options.balancer, clock);
    this.subset = options.subset === undefined ? undefined : new Subset(options.subset);
    this.slowStart = options.slowStartMs === undefined ? undefined : new SlowStart(options.slowStartMs);
    this.stickiness = options.sticky === undefined ? undefined : new Stickiness(options.sticky);
  }

  get panic(): Panic {
    return this.whole?.panic ?? 'none';
  }

  /** What the picker is built from; undefined while there is none. */
  get plan(): Plan<Endpoint> | undefined {
    return this.whole?.planned?.plan;
  }

  /** Whether that endpoint is outside of the subset that the configuration names. */
  isLeftOut(endpoint: Endpoint): boolean {
    return this.subset?.has(endpoint.instance) === false;
  }

  /** What the configuration restricts it to, for people. */
  get subsetText(): string | undefined {
    return this.subset?.text;
  }

  /**
   * Something has changed: new pickers for these endpoints. Those of subsets are built when they are asked for.
   * @param touched of whom anything has changed, placed anew already.
   * @param whyNobody for requests that cannot be given any of them.
   */
  rebuild(endpoints: readonly Endpoint[], touched: Iterable<Endpoint>, whyNobody: string): void {
    this.endpoints = endpoints;
    this.whyNobody = whyNobody;
    this.generation++;
    this.slowStart?.review(touched, this.clock.now());
    this.stickiness?.name(endpoints);
    this.whole = this.build(this.subset, this.whole);
    this.picker = this.whole.picker;
  }

  /** The picker of one subset, instead of the one that the configuration names. */
  pickerFor(subset: Subset): Picker<Endpoint> {
    if (this.whole === undefined) return this.picker;
    const before = this.parts.get(subset.text);
    if (before?.generation === this.generation) return before.picker;
    const built = this.build(subset, before);
    if (before === undefined && this.parts.size >= MAX_SUBSETS) this.parts.clear();
    this.parts.set(subset.text, built);
    return built.picker;
  }

  /** A picker like the present one, whose picks change nothing of that. */
  trial(): Picker<Endpoint> {
    return this.whole === undefined ? this.picker : this.build(this.subset, this.whole, 'copied').picker;
  }

  /** There is nobody, and waiting would not help. */
  close(reason: string): void {
    this.whole = undefined;
    this.parts.clear();
    this.picker = unavailablePicker(reason);
  }

  private build(subset: Subset | undefined, before: Built | undefined, draws: DrawsOfBefore = 'shared'): Built {
    const { options, slowStart, generation } = this;
    const nowMs = this.clock.now();
    const members = subset === undefined ? this.endpoints : membersOf(this.endpoints, subset, options.subsetFallback);
    const weightOf = (endpoint: Endpoint): number =>
      endpoint.instance.weight * (slowStart?.factorOf(endpoint, nowMs) ?? 1);
    const { plan, panic } = arrange(members, options, weightOf);
    const planned = this.policy.pickerOf(plan, before?.planned, draws);
    if (planned === undefined) {
      const where = subset === undefined || members.length > 0 ? '' : ` (subset ${subset.text})`;
      return { picker: unavailablePicker(`${this.whyNobody}${where}`), planned, panic, generation };
    }
    return { picker: this.stickiness?.over(planned) ?? planned, planned, panic, generation };
  }
}
