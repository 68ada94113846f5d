// That anything changed, for all who cannot have a blocking query of their own: an agent allows 200 connections to one address.
import { Backoff } from '../../src/util/backoff.ts';
import type { Clock } from '../../src/util/clock.ts';
import { RegistryError } from '../../src/registry/types.ts';
import { CatalogWatch } from './catalog-watch.ts';
import type { Connection } from './connection.ts';

/** A share in the queries of all. */
export interface CatalogShare {
  readonly watch: CatalogWatch;
  /** To be called once. */
  readonly leave: () => void;
}

/** Of one namespace. The queries run while anybody has joined; their failure is everybody's, their back-off one for all. */
export class CatalogChanges {
  private readonly connection: Connection;
  private readonly clock: Clock;
  private readonly namespace: Readonly<Record<string, string>>;
  private readonly backoff: Backoff;
  private current: { readonly watch: CatalogWatch; joined: number } | undefined = undefined;
  private notBeforeMs = -Infinity;

  /** @param namespace parameter of the queries, where it is not that of the configuration. */
  constructor(connection: Connection, clock: Clock, namespace: Readonly<Record<string, string>>) {
    this.connection = connection;
    this.clock = clock;
    this.namespace = namespace;
    this.backoff = new Backoff(clock);
  }

  /** The queries that run; where they failed, new ones once the back-off is over, and until then the failed ones. */
  join(): CatalogShare {
    if (this.current === undefined || (this.current.watch.isOver && this.clock.now() >= this.notBeforeMs)) {
      this.current = { watch: this.open(), joined: 0 };
    }
    const own = this.current;
    own.joined++;
    return {
      watch: own.watch,
      leave: () => {
        if (--own.joined === 0) own.watch.end(new RegistryError('aborted', 'consul: nobody waits for changes'));
      },
    };
  }

  private open(): CatalogWatch {
    return new CatalogWatch(this.connection, this.clock, this.namespace, {
      stands: () => this.backoff.reset(),
      failed: () => (this.notBeforeMs = this.clock.now() + this.backoff.nextMs()),
    });
  }
}
