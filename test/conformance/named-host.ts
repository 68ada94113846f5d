// Host names that lead where a case tells them to, for all that this process connects to.
import { randomUUID } from 'node:crypto';
import dns from 'node:dns';

type Callback = (error: Error | null, address: string | dns.LookupAddress[], family?: number) => void;

/** Cases run side by side: all names are in one place, and the resolver is wrapped once. */
const addresses = new Map<string, string>();
let isWrapped = false;

/** A host name of this process alone, that leads where it is told to: by the resolver that Node’s connections ask. */
export function namedHost(first: string): { readonly host: string; leadsTo(address: string): void; forget(): void } {
  wrapResolver();
  const host = `registry-${randomUUID()}.test`;
  addresses.set(host, first);
  return {
    host,
    leadsTo: (next) => void addresses.set(host, next),
    forget: () => void addresses.delete(host),
  };
}

function wrapResolver(): void {
  if (isWrapped) return;
  isWrapped = true;
  const { lookup } = dns;
  const wrapped = (name: string, options: dns.LookupOptions | Callback, callback?: Callback): void => {
    const address = addresses.get(name);
    const done = typeof options === 'function' ? options : callback;
    if (address === undefined) (lookup as (...all: unknown[]) => void)(name, options, callback);
    else if (typeof options === 'object' && options.all === true) done?.(null, [{ address, family: 4 }]);
    else done?.(null, address, 4);
  };
  Object.assign(dns, { lookup: wrapped });
  const { lookup: promised } = dns.promises; // What grpc-js asks.
  const wrappedPromise = (name: string, options: dns.LookupAllOptions): Promise<dns.LookupAddress[]> => {
    const address = addresses.get(name);
    return address === undefined ? promised(name, options) : Promise.resolve([{ address, family: 4 }]);
  };
  Object.assign(dns.promises, { lookup: wrappedPromise });
}
