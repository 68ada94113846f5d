// Our records of one service on one connection, which holds one entry a service: a record, or a batch of them, written whole.
import type { Clock } from '../../src/util/clock.ts';
import { abortable, withDeadline } from '../../src/registry/deadline.ts';
import type { RegistryError } from '../../src/registry/types.ts';
import type { Fields } from './answer.ts';
import type { Connection } from './connection.ts';
import type { Link } from './link.ts';
import type { NacosName } from './names.ts';
import type { NacosInstance } from './record.ts';

/** A record that shall stand. */
interface Entry {
  readonly record: NacosInstance;
  /** It has been acknowledged: only then it is written again after a reconnect without being asked. */
  readonly wasWritten: boolean;
  /** Monotonic ms until which it is ours without a new look at who holds the id. */
  readonly untilMs: number;
}

/** By our ids. */
type Records = ReadonlyMap<string, NacosInstance>;

/** What a publication needs. */
export interface PublicationOptions {
  readonly link: Link;
  readonly name: NacosName;
  readonly clock: Clock;
}

const WRITE_TIMEOUT_MS = 3_000;

/** One writer: the keepers of its records, each its own. Writes run one after another; what comes meanwhile goes together. */
export class Publication {
  private readonly options: PublicationOptions;
  private readonly entries = new Map<string, Entry>();
  /** What was written last, and the connection that holds it; undefined where that is nothing. */
  private written: { readonly connection: Connection; readonly records: Records } | undefined = undefined;
  private isDirty = false;
  private running: Promise<void> | undefined = undefined;

  constructor(options: PublicationOptions) {
    this.options = options;
  }

  get isEmpty(): boolean {
    return this.entries.size === 0 && this.running === undefined;
  }

  /** Writes a record, or writes it anew; taken back where that fails and it never stood. */
  async set(id: string, record: NacosInstance, ttlMs: number, signal: AbortSignal): Promise<void> {
    const before = this.entries.get(id);
    const untilMs = this.options.clock.now() + ttlMs;
    this.entries.set(id, { record, wasWritten: before?.wasWritten ?? false, untilMs });
    this.isDirty = true;
    try {
      await this.settled(id, signal);
    } catch (error) {
      if (this.entries.get(id)?.wasWritten === false) this.drop(id);
      throw error;
    }
  }

  /** True where the record stands on this connection; written there first where it does not yet. */
  async keep(id: string, connection: Connection, ttlMs: number, signal: AbortSignal): Promise<boolean> {
    const entry = this.entries.get(id);
    if (entry?.wasWritten !== true) return false;
    this.entries.set(id, { ...entry, untilMs: this.options.clock.now() + ttlMs });
    if (this.written?.connection !== connection || !this.written.records.has(id)) {
      this.isDirty = true;
      await this.settled(id, signal);
    }
    return this.entries.get(id)?.wasWritten === true;
  }

  /** Takes a record away. False where it was none of this process: no connection of ours held it. */
  async remove(id: string, signal: AbortSignal): Promise<boolean> {
    const isWritten = (): boolean => this.written?.records.has(id) === true;
    let wasOurs = this.has(id) || isWritten();
    this.drop(id);
    await this.options.link.ready(signal);
    while (this.isDirty || this.running !== undefined) {
      await abortable(this.flush(), signal);
      wasOurs ||= isWritten(); // By a write that was under way, though whoever wanted it had given up.
    }
    return wasOurs;
  }

  /** Forgets a record; it is taken away in the background, where there is a connection. */
  forget(id: string): void {
    if (!this.entries.has(id)) return;
    this.drop(id);
    if (this.options.link.current !== undefined) this.flush().catch(() => undefined);
  }

  has(id: string): boolean {
    return this.entries.get(id)?.wasWritten === true;
  }

  /** A new connection: what stood on the old one is written there, unless its time was over meanwhile. */
  renew(): void {
    const nowMs = this.options.clock.now();
    for (const [id, entry] of this.entries) {
      if (entry.wasWritten && entry.untilMs < nowMs) this.entries.delete(id);
    }
    if (this.entries.size === 0) return;
    this.isDirty = true;
    this.flush().catch(() => undefined); // The next sign of life tries again, and tells.
  }

  private drop(id: string): void {
    this.entries.delete(id);
    this.isDirty = true;
  }

  private async settled(id: string, signal: AbortSignal): Promise<void> {
    while (this.isDirty || this.running !== undefined) await abortable(this.flush(), signal);
    const entry = this.entries.get(id);
    if (entry !== undefined && !entry.wasWritten) throw new Error('a write that was overtaken');
  }

  /** The write under way, or one of all that is wanted now. */
  private flush(): Promise<void> {
    if (this.running !== undefined) return this.running;
    const run = withDeadline(this.options.clock, WRITE_TIMEOUT_MS, [], (signal) => this.write(signal));
    this.running = run;
    const done = (): void => void (this.running = undefined);
    run.then(done, done);
    return run;
  }

  private async write(signal: AbortSignal): Promise<void> {
    const { link } = this.options;
    const connection = await link.ready(signal);
    const wanted = new Map([...this.entries].map(([id, entry]) => [id, entry.record]));
    this.isDirty = false;
    try {
      if (wanted.size > 0 || this.written?.connection === connection) await this.send(connection, wanted, signal);
    } catch (error) {
      this.isDirty = true;
      throw error as RegistryError;
    }
    this.written = wanted.size === 0 ? undefined : { connection, records: wanted };
    for (const [id, record] of wanted) {
      const entry = this.entries.get(id);
      if (entry?.record === record) this.entries.set(id, { ...entry, wasWritten: true });
    }
  }

  private send(connection: Connection, wanted: Records, signal: AbortSignal): Promise<Fields> {
    const { link, name } = this.options;
    const place = { module: 'naming', namespace: name.namespaceId, ...groupAndService(name) };
    const records = [...wanted.values()];
    const [first] = records;
    if (records.length > 1) {
      const batch = { ...place, type: 'batchRegisterInstance', instances: records };
      return link.request(connection, 'BatchInstanceRequest', batch, signal);
    }
    const type = first === undefined ? 'deregisterInstance' : 'registerInstance';
    // It takes the whole entry away, whichever of its records is named; to name none is an error.
    const instance = first ?? [...(this.written?.records.values() ?? [])][0];
    return link.request(connection, 'InstanceRequest', { ...place, type, instance }, signal);
  }
}

/** Both names, as every request has them. */
export function groupAndService(name: NacosName): { readonly groupName: string; readonly serviceName: string } {
  return { groupName: name.groupName, serviceName: name.serviceName };
}
