// Asks the endpoints of one upstream whether they are well, where configuration says how; what fails is left out.
import type { Clock } from '../util/clock.ts';
import { ActiveCheck } from './active-check.ts';
import type { Endpoint } from './endpoint.ts';
import { HealthChecker, type Probe } from './health-checker.ts';
import { runProbe } from './health-probe.ts';
import type { CheckOptions } from './options.ts';
import { ProbeSlots } from './probe-slots.ts';

export interface CheckScope {
  /** It is well, or unhealthy, from now on. */
  onChecked(endpoint: Endpoint, isWell: boolean): void;
  /** It is well, once more. @param startedAtMs monotonic; of the check that says so. */
  onPassed(endpoint: Endpoint, startedAtMs: number): void;
}

/** Between two checks of an endpoint that is out, at most. */
const FAILING_INTERVAL_MS = 1_000;

/** One checker for each endpoint that the registry names. The first check of a new one decides at once. */
export class ActiveChecks {
  private readonly clock: Clock;
  private readonly options: CheckOptions;
  private readonly scope: CheckScope;
  private readonly ask: Probe;
  private readonly checked = new Set<Endpoint>();

  /** @param slots shared by all upstreams; its own where there are none. */
  constructor(clock: Clock, options: CheckOptions, scope: CheckScope, slots = new ProbeSlots()) {
    this.clock = clock;
    this.options = options;
    this.scope = scope;
    this.ask = (asked, target, signal) => slots.run(signal, () => runProbe(asked, target, signal));
  }

  /** Those that there are now. */
  watch(byId: ReadonlyMap<string, Endpoint>): void {
    for (const endpoint of this.checked) if (endpoint.isDraining) this.stop(endpoint);
    for (const endpoint of byId.values()) if (endpoint.check === undefined) this.start(endpoint);
  }

  close(): void {
    for (const endpoint of this.checked) this.stop(endpoint);
  }

  private start(endpoint: Endpoint): void {
    const { host, port } = endpoint.instance;
    const options = { host, port, ...this.options, failingIntervalMs: FAILING_INTERVAL_MS };
    const onChange = (): void => this.scope.onChecked(endpoint, checker.state === 'passing');
    const onPassed = (startedAtMs: number): void => this.scope.onPassed(endpoint, startedAtMs);
    const checker = new HealthChecker(this.clock, options, onChange, this.ask, onPassed);
    endpoint.check = new ActiveCheck(checker, this.options);
    this.checked.add(endpoint);
    checker.start();
  }

  private stop(endpoint: Endpoint): void {
    endpoint.check?.checker.stop();
    this.checked.delete(endpoint);
  }
}
