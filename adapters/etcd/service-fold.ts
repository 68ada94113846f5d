// One service's records: a list, then events folded into it, given out whole.
import type { IEvent, IKeyValue } from 'etcd3';
import { byIdOrder, placeOf } from '../../src/registry/by-id.ts';
import type { Reading } from '../../src/registry/driver.ts';
import type { Decoded } from '../../src/registry/record.ts';
import { sameKey } from '../../src/registry/types.ts';
import type { ServiceInstance, ServiceKey } from '../../src/registry/types.ts';
import type { RecordFormat } from './format.ts';
import { MAX_KEYS, type RangeList } from './range.ts';

/** Records of one service as of one revision. One writer: who follows the service. */
export class ServiceFold {
  private readonly key: ServiceKey;
  private readonly format: RecordFormat;
  /** By the key that each lies under, those that are instances and those that are none, with the reason. */
  private readonly records = new Map<string, ServiceInstance>();
  private readonly broken = new Map<string, string>();
  /** The instances in order of their ids, edited in place; what is given out is a copy. */
  private readonly instances: ServiceInstance[];
  private departed = new Set<string>();
  private revision: number;
  private readonly clusterId: string;

  constructor(key: ServiceKey, format: RecordFormat, list: RangeList) {
    this.key = key;
    this.format = format;
    this.revision = list.revision;
    this.clusterId = list.clusterId;
    for (const kv of list.kvs) {
      const recordKey = kv.key.toString();
      const decoded = this.decode(recordKey, kv.value);
      if (decoded !== undefined) this.note(recordKey, decoded);
    }
    this.instances = [...this.records.values()].sort(byIdOrder);
  }

  /** Events in order. */
  apply(events: readonly IEvent[]): void {
    for (const { type, kv } of events) {
      this.revision = Math.max(this.revision, Number(kv.mod_revision));
      const recordKey = kv.key.toString();
      if (type === 'Put') this.put(recordKey, kv);
      else this.remove(recordKey);
    }
  }

  /** The whole list now, in order of ids; who departed since the last one is named once. */
  reading(): Reading {
    const rejected = Array.from(this.broken, ([recordKey, reason]) => ({ ref: recordKey.slice(0, 512), reason }));
    const reading: Reading = {
      instances: this.instances.slice(),
      rejected,
      revision: String(this.revision),
      epoch: this.clusterId,
      sequence: this.revision,
      departed: this.departed,
    };
    this.departed = new Set();
    return reading;
  }

  private put(recordKey: string, { value }: IKeyValue): void {
    const before = this.records.get(recordKey);
    const isKnown = before !== undefined || this.broken.has(recordKey);
    if (!isKnown && this.records.size + this.broken.size >= MAX_KEYS) return;
    const decoded = this.decode(recordKey, value);
    if (decoded === undefined) return;
    const now = this.note(recordKey, decoded);
    this.edit(before, now);
    if (now !== undefined) this.departed.delete(now.id);
  }

  private remove(recordKey: string): void {
    const before = this.records.get(recordKey);
    this.records.delete(recordKey);
    this.broken.delete(recordKey);
    this.edit(before, undefined);
    // Marked and deleted within one reading, nobody would ever have seen the mark.
    if (before?.leaving === true) this.departed.add(before.id);
  }

  /** Undefined for a key that is none of this service: of one whose name begins with ours and a slash. */
  private decode(recordKey: string, value: Buffer): Decoded | undefined {
    const parsed = this.format.parse(recordKey);
    if (parsed === undefined) return { reason: 'a key that is not spelled as records are' };
    return sameKey(parsed.key, this.key) ? this.format.decode(parsed, value.toString()) : undefined;
  }

  private note(recordKey: string, decoded: Decoded): ServiceInstance | undefined {
    if ('instance' in decoded) {
      this.broken.delete(recordKey);
      this.records.set(recordKey, decoded.instance);
      return decoded.instance;
    }
    this.records.delete(recordKey);
    this.broken.set(recordKey, decoded.reason);
    return undefined;
  }

  /** Two records may claim one id: of these the core takes the first, so that the later one has its place behind. */
  private edit(before: ServiceInstance | undefined, now: ServiceInstance | undefined): void {
    const { instances } = this;
    const isSamePlace = before !== undefined && before.id === now?.id;
    if (before !== undefined) {
      const at = instances.indexOf(before, placeOf(instances, before.id));
      if (isSamePlace) instances[at] = now;
      else instances.splice(at, 1);
    }
    if (now === undefined || isSamePlace) return;
    let at = placeOf(instances, now.id);
    while (instances[at]?.id === now.id) at++;
    instances.splice(at, 0, now);
  }
}
