// HOT PATH. Which service an app means, told by the name in its request's authority.
import { isIP } from 'node:net';

const REMEMBERED = 4_096;

/** `service`: look it up. `outside`: a host let through by configuration. `refused`: an address, or a name that no service can have. */
export type OutboundName =
  | { readonly kind: 'service'; readonly name: string }
  | { readonly kind: 'outside'; readonly host: string; readonly port: number }
  | { readonly kind: 'refused'; readonly reason: string };

/** Reads names; remembers the last few thousand, since an app calls the same services all the time. */
export class OutboundNames {
  private readonly suffix: string;
  private readonly passthrough: ReadonlySet<string>;
  private readonly known = new Map<string, OutboundName>();

  /**
   * @param suffix ends a name that is meant for us (`.pilotfish`), lower case; removed before the look-up. Empty: none.
   * @param passthrough hosts outside that may be called as they are: `name` or `name:port`, lower case.
   */
  constructor(suffix: string, passthrough: readonly string[]) {
    this.suffix = suffix;
    this.passthrough = new Set(passthrough);
  }

  /** @param authority `host` or `host:port` in normal form, as `ProxyRequest.authority` is. */
  resolve(authority: string): OutboundName {
    let name = this.known.get(authority);
    if (name === undefined) {
      name = this.read(authority);
      if (this.known.size >= REMEMBERED) this.known.clear();
      this.known.set(authority, name);
    }
    return name;
  }

  private read(authority: string): OutboundName {
    const colon = authority.endsWith(']') ? -1 : authority.lastIndexOf(':');
    let host = colon < 0 ? authority : authority.slice(0, colon);
    const port = colon < 0 ? 80 : Number(authority.slice(colon + 1));
    if (this.passthrough.has(host) || this.passthrough.has(authority)) return { kind: 'outside', host, port };
    if (host.endsWith('.')) host = host.slice(0, -1);
    if (this.suffix !== '' && host.endsWith(this.suffix)) host = host.slice(0, -this.suffix.length);
    if (host === '') return { kind: 'refused', reason: 'the request names no service' };
    if (host.startsWith('[') || isIP(host) !== 0 || /^[\d.]+$/.test(host)) {
      return { kind: 'refused', reason: 'an address is not the name of a service' };
    }
    if (host === 'localhost' || host.endsWith('.localhost'))
      return { kind: 'refused', reason: 'localhost is not the name of a service' };
    return { kind: 'service', name: host };
  }
}
