// Which of several servers is in use.
import type { Clock } from '../../src/util/clock.ts';
import type { NacosEndpoint } from './options.ts';

/** The same one until it fails. One writer: the transport that shares it with its login. */
export class Endpoints {
  private readonly all: readonly NacosEndpoint[];
  private index: number;

  constructor(all: readonly NacosEndpoint[], clock: Clock) {
    this.all = all;
    this.index = Math.floor(clock.random() * all.length);
  }

  get current(): NacosEndpoint {
    return this.all[this.index] ?? { host: '127.0.0.1', port: 8_848 };
  }

  failed(endpoint: NacosEndpoint): void {
    if (endpoint === this.current) this.index = (this.index + 1) % this.all.length;
  }
}
