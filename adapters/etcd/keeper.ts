// Our own record: a lease, the record put under it in a transaction on who holds the id, signs of life, removal.
import type { ICompare, IKeyValue, IRequestOp } from 'etcd3';
import type { Holder, RecordKeeper } from '../../src/registry/driver.ts';
import { RegistryError, type ServiceInstance } from '../../src/registry/types.ts';
import type { Cluster } from './cluster.ts';
import { isLeaseGone } from './errors.ts';
import type { RecordFormat } from './format.ts';
import type { LeaseStream } from './lease-stream.ts';

/** What a keeper works with. */
export interface KeeperContext {
  readonly cluster: Cluster;
  readonly leases: LeaseStream;
  readonly format: RecordFormat;
}

/** Our own earlier tries may stand in the way of a put, not more often than this. */
const MAX_TRIES = 3;

/** One registration's record. The core calls one thing at a time; an abandoned call may still reach the server. */
export class EtcdKeeper implements RecordKeeper {
  private readonly instance: ServiceInstance;
  private readonly ttlSeconds: number;
  private readonly context: KeeperContext;
  private readonly key: Buffer;
  /** The life that the record has, or is about to have. */
  private leaseId: string | undefined = undefined;
  /** `mod_revision` of what `holder()` saw last; 0: nothing. */
  private seenRevision = '0';

  /** Throws RegistryError `invalid` for what the format cannot spell. */
  constructor(instance: ServiceInstance, ttlMs: number, context: KeeperContext) {
    this.instance = instance;
    this.ttlSeconds = Math.ceil(ttlMs / 1_000);
    this.context = context;
    this.key = Buffer.from(context.format.recordKey(instance));
  }

  /** Where there is no lease yet, one is granted in the same time: on a slow way each round trip counts. */
  async holder(signal: AbortSignal): Promise<Holder | undefined> {
    const granting = this.leaseId === undefined ? this.grant(signal) : undefined;
    granting?.catch(() => undefined); // `put` tries again, and says why.
    const kv = await this.read(signal);
    await granting?.catch(() => undefined);
    this.seenRevision = kv?.mod_revision ?? '0';
    if (kv === undefined) return undefined;
    const found = this.decode(kv);
    // What is no record holds nothing, but has to be replaced, not created. Whoever is dead etcd has taken away already.
    if (found === undefined) return { owner: undefined, host: '', port: 0, isAlive: false };
    return { owner: found.owner, host: found.host, port: found.port, isAlive: true };
  }

  /**
   * Under the lease that is there, if it lives: it was granted a moment ago, or for a put that came to nothing, or somebody
   * deleted the record alone. Else under a new one.
   */
  async put(instance: ServiceInstance, replacing: Holder | undefined, signal: AbortSignal): Promise<void> {
    const revision = replacing === undefined ? '0' : this.seenRevision;
    if (this.leaseId !== undefined && (await this.putUnder(this.leaseId, instance, revision, signal))) return;
    this.leaseId = undefined;
    await this.claim(instance, await this.grant(signal), revision, signal);
  }

  /** Renews the lease as well: while changes come faster than beats, nothing else does. */
  async update(instance: ServiceInstance, signal: AbortSignal): Promise<'kept' | 'lost'> {
    const { leaseId } = this;
    if (leaseId === undefined) return 'lost';
    const underOurLease: ICompare = { key: this.key, result: 'Equal', target: 'Lease', lease: leaseId };
    try {
      const [ttlSeconds, written] = await Promise.all([
        this.context.leases.keepAlive(leaseId, signal),
        this.write(instance, leaseId, underOurLease, signal),
      ]);
      return ttlSeconds > 0 && written === 'written' ? 'kept' : 'lost';
    } catch (error) {
      if (isLeaseGone(error)) return 'lost';
      throw error;
    }
  }

  async refresh(signal: AbortSignal): Promise<'kept' | 'lost'> {
    const { leaseId } = this;
    if (leaseId === undefined) return 'lost';
    return (await this.context.leases.keepAlive(leaseId, signal)) > 0 ? 'kept' : 'lost';
  }

  async remove(signal: AbortSignal): Promise<void> {
    if (this.leaseId !== undefined) {
      await this.revoke(this.leaseId, signal); // Takes the record with it, if it is still under this lease.
      this.leaseId = undefined;
    }
    const kv = await this.read(signal);
    if (kv === undefined || this.decode(kv)?.owner !== this.instance.owner) return;
    const remove: IRequestOp = { request_delete_range: { key: this.key } };
    await this.context.cluster.unary('remove', signal, (client, options) =>
      client.kv.txn({ compare: [modifiedAt(this.key, kv.mod_revision)], success: [remove] }, options),
    );
  }

  close(): void {
    // The stream is shared; a lease that nobody keeps alive ends by itself.
  }

  private async grant(signal: AbortSignal): Promise<string> {
    const { ID } = await this.context.cluster.unary('grant', signal, (client, options) =>
      client.leaseClient.leaseGrant({ TTL: this.ttlSeconds }, options),
    );
    this.leaseId = ID;
    return ID;
  }

  /** False where that lease has ended. */
  private async putUnder(
    leaseId: string,
    instance: ServiceInstance,
    revision: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    try {
      const renewed = this.context.leases.keepAlive(leaseId, signal);
      const [ttlSeconds] = await Promise.all([renewed, this.claim(instance, leaseId, revision, signal)]);
      return ttlSeconds > 0;
    } catch (error) {
      if (isLeaseGone(error)) return false;
      throw error;
    }
  }

  /** Writes where the record is still as it was at `revision`, or where what is in the way is an earlier try of ours. */
  private async claim(
    instance: ServiceInstance,
    leaseId: string,
    revision: string,
    signal: AbortSignal,
  ): Promise<void> {
    let expected = revision;
    for (let tries = 1; tries <= MAX_TRIES; tries++) {
      const inTheWay = await this.write(instance, leaseId, modifiedAt(this.key, expected), signal);
      if (inTheWay === 'written') return;
      const isOurs = inTheWay !== undefined && this.decode(inTheWay)?.owner === instance.owner;
      if (isOurs && inTheWay.lease === leaseId) return; // Asked twice, and done the first time.
      if (inTheWay !== undefined && !isOurs) break;
      expected = inTheWay?.mod_revision ?? '0';
    }
    throw new RegistryError('conflict', 'etcd: the record has changed hands meanwhile');
  }

  /** Writes where `compare` holds; what is there instead where it does not. */
  private async write(
    instance: ServiceInstance,
    leaseId: string,
    compare: ICompare,
    signal: AbortSignal,
  ): Promise<'written' | IKeyValue | undefined> {
    const value = Buffer.from(this.context.format.encode(instance));
    const request = {
      compare: [compare],
      success: [{ request_put: { key: this.key, value, lease: leaseId } }],
      failure: [{ request_range: { key: this.key } }],
    };
    const answer = await this.context.cluster.unary('write', signal, (client, options) =>
      client.kv.txn(request, options),
    );
    return answer.succeeded ? 'written' : answer.responses[0]?.response_range.kvs[0];
  }

  private async revoke(leaseId: string, signal: AbortSignal): Promise<void> {
    try {
      await this.context.cluster.unary('revoke', signal, (client, options) =>
        client.leaseClient.leaseRevoke({ ID: leaseId }, options),
      );
    } catch (error) {
      if (!isLeaseGone(error)) throw error;
    }
  }

  private async read(signal: AbortSignal): Promise<IKeyValue | undefined> {
    const request = { key: this.key };
    const answer = await this.context.cluster.unary('read', signal, (client, options) =>
      client.kv.range(request, options),
    );
    return answer.kvs[0];
  }

  private decode(kv: IKeyValue): ServiceInstance | undefined {
    const parsed = this.context.format.parse(kv.key.toString());
    const decoded = parsed === undefined ? undefined : this.context.format.decode(parsed, kv.value.toString());
    return decoded !== undefined && 'instance' in decoded ? decoded.instance : undefined;
  }
}

/** Holds where the record was last written at this revision; `0`: where there is none. */
function modifiedAt(key: Buffer, revision: string): ICompare {
  return { key, result: 'Equal', target: 'Mod', mod_revision: revision };
}
