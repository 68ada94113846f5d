// Session affinity: a cookie names an endpoint, and requests that bring it go there while that endpoint can be used.
import { createHmac, randomBytes } from 'node:crypto';
import type { StickyOptions } from '../balancer/options.ts';
import { isTried, type PickContext, type Picker, type PickResult, type Slot } from '../balancer/picker.ts';
import type { PlannedPicker } from '../balancer/planned-picker.ts';
import { cookieValue } from '../http/cookie.ts';
import type { Endpoint } from './endpoint.ts';

/** Of a name, in bytes: no two endpoints of a service share one, and nobody finds an address by trying. */
const NAME_BYTES = 12;

interface Named {
  readonly owner: string | undefined;
  readonly name: string;
}

/**
 * A name is a keyed hash of the endpoint's id, so that it tells nothing of the address. With a `secret` every sidecar that has
 * it makes the same names, and they outlive restarts; without, the key is the record's `owner`, which is random for each
 * process and known to those who read the registry alone; where a record has none, it is a key of this process.
 */
export class Stickiness {
  readonly options: StickyOptions;
  private readonly processKey = randomBytes(32);
  private readonly known = new WeakMap<Endpoint, Named>();
  private byAddress: ReadonlyMap<string, string> = new Map();

  constructor(options: StickyOptions) {
    this.options = options;
  }

  /** These are all endpoints. */
  name(endpoints: readonly Endpoint[]): void {
    this.byAddress = new Map(endpoints.map((endpoint) => [endpoint.address, this.nameOf(endpoint)]));
  }

  /** Name of the endpoint at that address; undefined where it has gone. */
  nameAt(address: string): string | undefined {
    return this.byAddress.get(address);
  }

  /** A picker that follows cookies, and leaves everything else to `inner`. */
  over(inner: PlannedPicker<Endpoint>): Picker<Endpoint> {
    const byName = new Map<string, Slot<Endpoint>>();
    for (const { slots } of [...inner.plan.active, ...inner.plan.reserves]) {
      for (const slot of slots) {
        const { tier } = slot.endpoint;
        if (tier === 'first' || tier === 'doubted') byName.set(this.nameOf(slot.endpoint), slot);
      }
    }
    return new StickyPicker(this.options.cookie, byName, inner);
  }

  private nameOf(endpoint: Endpoint): string {
    const { owner } = endpoint.instance;
    const before = this.known.get(endpoint);
    if (before !== undefined && before.owner === owner) return before.name;
    const key = this.options.secret ?? owner ?? this.processKey;
    const hash = createHmac('sha256', key).update(`${endpoint.id} ${endpoint.address}`).digest();
    const name = hash.subarray(0, NAME_BYTES).toString('base64url');
    this.known.set(endpoint, { owner, name });
    return name;
  }
}

/** HOT PATH. A request that has tried the endpoint of its cookie goes on as one without. */
class StickyPicker implements Picker<Endpoint> {
  private readonly cookie: string;
  private readonly byName: ReadonlyMap<string, Slot<Endpoint>>;
  private readonly inner: Picker<Endpoint>;

  constructor(cookie: string, byName: ReadonlyMap<string, Slot<Endpoint>>, inner: Picker<Endpoint>) {
    this.cookie = cookie;
    this.byName = byName;
    this.inner = inner;
  }

  pick(context: PickContext): PickResult<Endpoint> {
    const name = cookieValue(context.headers, this.cookie);
    const slot = name === undefined ? undefined : this.byName.get(name);
    return slot === undefined || isTried(slot, context) ? this.inner.pick(context) : slot.picked;
  }
}
