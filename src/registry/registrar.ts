// Our own service in the registry: there only while the app is healthy, and taken away before we stop (REGISTRIES §2.10–11).
import type { Registry } from './registry.ts';
import { assertValid } from './record.ts';
import { asRegistryError } from './types.ts';
import type {
  DeregisterOptions,
  InstanceUpdate,
  Registration,
  RegistrationHandle,
  RegistrationState,
  ServiceInstance,
} from './types.ts';

/** What a registrar is doing, for `/registration` and `/readyz`. */
export interface RegistrarStatus {
  readonly instance: ServiceInstance;
  /** `pending` also while the app is not healthy. */
  readonly state: RegistrationState;
  readonly reason: string | undefined;
  readonly promisedUntilMs: number;
  /** True once the registry has acknowledged the record at least once, since the start or the last `rejoin()`. */
  readonly wasRegistered: boolean;
}

/** Told at each change; must not throw. */
export type RegistrarListener = (status: RegistrarStatus) => void;

/** Time given to the registry, in ms, for taking the record away when the app has become unhealthy. */
const UNHEALTHY_DEADLINE_MS = 3_000;

/**
 * Registers one instance, gated on the app's health. Begins at the first `setHealth('passing')`; later verdicts mark the
 * record where the registry knows health, and take it away or bring it back where it does not. `leave()` ends it, unless
 * `rejoin()` follows. Rise and fall are the health checker's: what comes here is its verdict.
 */
export class Registrar {
  private readonly registry: Registry;
  private readonly listener: RegistrarListener | undefined;
  private readonly ttlMs: number;
  private instance: ServiceInstance;
  private health: ServiceInstance['health'] = 'unknown';
  private note: string | undefined = undefined;
  private handle: RegistrationHandle | undefined = undefined;
  private leaving: Promise<unknown> | undefined = undefined;
  private hasLeft = false;
  private wasRegistered = false;
  private refusal: string | undefined = undefined;

  /** Throws RegistryError `invalid` where the record breaks a rule. Registers nothing yet. */
  constructor(registry: Registry, registration: Registration, listener?: RegistrarListener) {
    assertValid(registration.instance, registry.capabilities.maxMetadataBytes);
    this.registry = registry;
    this.instance = registration.instance;
    this.ttlMs = registration.ttlMs;
    this.listener = listener;
  }

  get status(): RegistrarStatus {
    const state = this.handle?.state ?? (this.hasLeft ? 'gone' : 'pending');
    const note = this.note === undefined ? '' : `: ${this.note}`;
    const waiting = this.hasLeft ? undefined : (this.refusal ?? `the app's health is ${this.health}${note}`);
    return {
      instance: this.handle?.instance ?? this.instance,
      state,
      reason: this.handle === undefined ? waiting : this.handle.lastError?.message,
      promisedUntilMs: this.handle?.promisedUntilMs ?? 0,
      wasRegistered: this.wasRegistered,
    };
  }

  /** The health checker's verdict on the app. */
  setHealth(health: ServiceInstance['health'], note?: string): void {
    this.health = health;
    this.note = note;
    if (this.hasLeft) return;
    const mayBeListed = health === 'passing' || health === 'warning';
    if (this.handle === undefined) {
      if (mayBeListed && this.leaving === undefined) this.enter();
    } else if (mayBeListed || this.registry.capabilities.nativeHealth) {
      this.handle.setHealth(health, note);
    } else void this.withdraw({ deadlineMs: UNHEALTHY_DEADLINE_MS });
  }

  /** Changes fields of the record without a gap. Throws RegistryError `invalid` where they break a rule. */
  update(change: InstanceUpdate): void {
    this.handle?.update(change);
    this.instance = { ...this.instance, ...change };
  }

  /** Takes the record away, for good or until `rejoin()`. Never rejects, never takes longer than `deadlineMs`. */
  async leave(options: DeregisterOptions): Promise<'removed' | 'left-to-expire'> {
    this.hasLeft = true;
    const { handle } = this;
    if (handle === undefined) {
      this.tell();
      return 'removed';
    }
    return this.withdraw(options);
  }

  /** After `leave()` (`POST /undrain`): registers again as soon as the app is healthy. */
  rejoin(): void {
    this.hasLeft = false;
    this.wasRegistered = false; // Nobody finds us until the registry has acknowledged the new record.
    this.setHealth(this.health, this.note);
  }

  private enter(): void {
    const instance = { ...this.instance, health: this.health };
    let handle: RegistrationHandle;
    try {
      handle = this.registry.register({ instance, ttlMs: this.ttlMs });
    } catch (error) {
      this.refusal = asRegistryError(error, 'registration').message; // Closed, or a name that this registry cannot spell.
      this.tell();
      return;
    }
    this.refusal = undefined;
    this.handle = handle;
    handle.onState((state) => {
      if (state === 'registered') this.wasRegistered = true;
      if (this.handle === handle) this.tell();
    });
    this.tell();
  }

  private async withdraw(options: DeregisterOptions): Promise<'removed' | 'left-to-expire'> {
    const { handle } = this;
    if (handle === undefined) return 'removed';
    const leaving = handle.deregister(options);
    this.leaving = leaving;
    const result = await leaving;
    if (this.handle === handle) {
      this.handle = undefined;
      this.leaving = undefined;
      this.tell();
      if (!this.hasLeft) this.setHealth(this.health, this.note); // It may have become healthy while we left.
    }
    return result;
  }

  private tell(): void {
    this.listener?.(this.status);
  }
}
