// A ranged read, page by page at one revision, with pages that shrink where a server is too slow for them.
import type { IKeyValue, IRangeRequest, IResponseHeader } from 'etcd3';
import { RegistryError } from '../../src/registry/types.ts';
import type { Cluster } from './cluster.ts';
import { etcdError } from './errors.ts';

/** All of a range at one moment. */
export interface RangeList {
  readonly kvs: IKeyValue[];
  /** Revision of that moment; a watch goes on from the next. */
  readonly revision: number;
  readonly clusterId: string;
}

/** Keys in one answer: with records of the usual size a few hundred KB. */
const FULL_PAGE = 500;
const MIN_PAGE = 5;
/** Keys of one range that are taken at most; the rest is as if it were not there. */
export const MAX_KEYS = 50_000;

/** Reads ranges of one cluster. Remembers what page size the way to it allows. */
export class RangeReader {
  private readonly cluster: Cluster;
  private page = FULL_PAGE;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  /** All that begins with `prefix`. Rejects with RegistryError, also where the history is thrown away between two pages. */
  async list(prefix: string, signal: AbortSignal, options: Pick<IRangeRequest, 'keys_only'> = {}): Promise<RangeList> {
    const end = rangeEnd(prefix);
    const kvs: IKeyValue[] = [];
    let key: Buffer = prefix === '' ? Buffer.from([0]) : Buffer.from(prefix);
    let header: IResponseHeader | undefined;
    for (let isMore = true; isMore && kvs.length < MAX_KEYS;) {
      const request: IRangeRequest = {
        ...options,
        key,
        range_end: end,
        limit: this.page,
        ...(header === undefined ? {} : { revision: header.revision }),
      };
      const answer = await this.readPage(request, signal);
      if (answer === 'too slow') continue;
      header ??= answer.header;
      if (answer.header.cluster_id !== header.cluster_id)
        throw new RegistryError('protocol', 'etcd: two clusters answer');
      for (const kv of answer.kvs) kvs.push(kv);
      const last = answer.kvs.at(-1);
      isMore = answer.more && last !== undefined;
      if (last !== undefined) key = Buffer.concat([last.key, Buffer.from([0])]);
    }
    if (header === undefined) throw new RegistryError('protocol', 'etcd: a list without an answer');
    return { kvs, revision: Number(header.revision), clusterId: header.cluster_id };
  }

  private async readPage(
    request: IRangeRequest,
    signal: AbortSignal,
  ): Promise<'too slow' | { header: IResponseHeader; kvs: IKeyValue[]; more: boolean }> {
    const askedFor = this.page;
    try {
      return await this.cluster.unary('read', signal, (client, options) => client.kv.range(request, options));
    } catch (thrown) {
      const error = etcdError(thrown, 'etcd: read');
      if (error.kind !== 'timeout' || signal.aborted || askedFor <= MIN_PAGE) throw error;
      this.page = Math.max(MIN_PAGE, Math.floor(Math.min(this.page, askedFor) / 4));
      return 'too slow';
    }
  }
}

/** First key behind all that begin with `prefix` (etcd's `range_end`); a zero byte means: to the very end. */
export function rangeEnd(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  for (let at = end.length - 1; at >= 0; at--) {
    const byte = end[at];
    if (byte !== undefined && byte < 0xff) {
      end[at] = byte + 1;
      return end.subarray(0, at + 1);
    }
  }
  return Buffer.from([0]);
}
