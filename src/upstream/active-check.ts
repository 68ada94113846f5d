// What one endpoint is asked, what it said, and what would bring it back.
import type { HealthChecker } from './health-checker.ts';
import type { CheckOptions } from './options.ts';

/** The active check of one endpoint, as its placement sees it. */
export class ActiveCheck {
  readonly checker: HealthChecker;
  private readonly options: CheckOptions;

  constructor(checker: HealthChecker, options: CheckOptions) {
    this.checker = checker;
    this.options = options;
  }

  get isFailing(): boolean {
    return this.checker.state === 'failing';
  }

  /** For people: what it found, and what would bring the endpoint back. */
  get why(): string {
    const { checker, options } = this;
    const left = options.rise - checker.contradicted;
    const passes = left === 1 ? 'one passing check brings' : `${left} passing checks in a row bring`;
    return `unhealthy: its active check (${textOf(options)}) fails: ${checker.reason}; ${passes} it back`;
  }
}

function textOf({ probe }: CheckOptions): string {
  switch (probe.kind) {
    case 'tcp':
      return 'TCP';
    case 'http':
      return `GET ${probe.path}`;
    case 'grpc':
      return `gRPC health of "${probe.service}"`;
  }
}
