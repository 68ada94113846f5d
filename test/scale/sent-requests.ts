// How many requests this process has sent to a registry that does not count them itself.
import { subscribe } from 'node:diagnostics_channel';

/** Counts from now on. @param url `PILOTFISH_REGISTRY`: others than Nacos are measured without the library of its transport. */
export async function countSentRequests(url: string): Promise<() => number> {
  let sent = 0;
  const count = (): void => {
    sent++;
  };
  subscribe('undici:request:create', count);
  subscribe('http.client.request.start', count);
  if (url.startsWith('nacos:')) {
    const { Client } = await import('@grpc/grpc-js');
    // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own `this` below
    const call = Client.prototype.makeUnaryRequest;
    Client.prototype.makeUnaryRequest = function (this: InstanceType<typeof Client>, ...args: Parameters<typeof call>) {
      count();
      return call.apply(this, args);
    } as typeof call;
  }
  return () => sent;
}
