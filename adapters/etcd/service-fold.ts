// One service's records: a list, then events folded into it, given out whole.
import type { IEvent, IKeyValue } from 'etcd3';
import type { Reading } from '../../src/registry/driver.ts';
import type { Decoded } from '../../src/registry/record.ts';
import type { ServiceKey } from '../../src/registry/types.ts';
import { sameKey } from '../../src/registry/types.ts';
import type { RecordFormat } from './format.ts';
import { MAX_KEYS, type RangeList } from './range.ts';

/** Records of one service as of one revision. One writer: who follows the service. */
export class ServiceFold {
  private readonly key: ServiceKey;
  private readonly format: RecordFormat;
  private readonly records = new Map<string, Decoded>();
  private departed = new Set<string>();
  private revision: number;
  private readonly clusterId: string;

  constructor(key: ServiceKey, format: RecordFormat, list: RangeList) {
    this.key = key;
    this.format = format;
    this.revision = list.revision;
    this.clusterId = list.clusterId;
    for (const kv of list.kvs) this.put(kv);
  }

  /** Events in order. */
  apply(events: readonly IEvent[]): void {
    for (const { type, kv } of events) {
      this.revision = Math.max(this.revision, Number(kv.mod_revision));
      if (type === 'Put') this.put(kv);
      else this.remove(kv.key.toString());
    }
  }

  /** The whole list now; who departed since the last one is named once. */
  reading(): Reading {
    const reading: Reading = { ...listOf(this.records), ...this.marks, departed: this.departed };
    this.departed = new Set();
    return reading;
  }

  private get marks(): Pick<Reading, 'revision' | 'epoch' | 'sequence'> {
    return { revision: String(this.revision), epoch: this.clusterId, sequence: this.revision };
  }

  private put(kv: IKeyValue): void {
    const recordKey = kv.key.toString();
    if (!this.records.has(recordKey) && this.records.size >= MAX_KEYS) return;
    const decoded = this.decode(recordKey, kv.value);
    if (decoded === undefined) return;
    this.records.set(recordKey, decoded);
    if ('instance' in decoded) this.departed.delete(decoded.instance.id);
  }

  /** Undefined for a key that is none of this service: of one whose name begins with ours and a slash. */
  private decode(recordKey: string, value: Buffer): Decoded | undefined {
    const parsed = this.format.parse(recordKey);
    if (parsed === undefined) return { reason: 'a key that is not spelled as records are' };
    return sameKey(parsed.key, this.key) ? this.format.decode(parsed, value.toString()) : undefined;
  }

  private remove(recordKey: string): void {
    const decoded = this.records.get(recordKey);
    this.records.delete(recordKey);
    // Marked and deleted within one reading, nobody would ever have seen the mark.
    if (decoded !== undefined && 'instance' in decoded && decoded.instance.leaving === true) {
      this.departed.add(decoded.instance.id);
    }
  }
}

function listOf(records: ReadonlyMap<string, Decoded>): Pick<Reading, 'instances' | 'rejected'> {
  const instances = [];
  const rejected = [];
  for (const [recordKey, decoded] of records) {
    if ('instance' in decoded) instances.push(decoded.instance);
    else rejected.push({ ref: recordKey.slice(0, 512), reason: decoded.reason });
  }
  return { instances, rejected };
}
