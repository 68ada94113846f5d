// How our keys and ids are spelled in Consul, and back: a service name, an id that is unique on one agent, an id in a list.
import { RegistryError, type ServiceKey } from '../../src/registry/types.ts';

/** Between group and service where the group is not `default`: Consul knows no groups. */
const GROUP_MARK = '~';
/** What an id may consist of to stand in Consul as it is. */
const PLAIN = /^[A-Za-z0-9._:-]+$/;

/** The name under which Consul lists the service. Throws RegistryError `invalid` for names that its URLs cannot hold. */
export function consulName({ group, service }: ServiceKey): string {
  const name = group === 'default' ? service : `${group}${GROUP_MARK}${service}`;
  if (name.split('/').some((part) => part === '' || part === '.' || part === '..')) {
    throw new RegistryError('invalid', `consul: a service cannot be called ${JSON.stringify(name)}`);
  }
  return name;
}

/** The group and service of a name in Consul. */
export function keyOfName(name: string, namespace: string): ServiceKey {
  const at = name.indexOf(GROUP_MARK);
  if (at < 1 || at === name.length - 1) return { namespace, group: 'default', service: name };
  return { namespace, group: name.slice(0, at), service: name.slice(at + 1) };
}

/**
 * The service id on the agent, where ids of all services live together: the id itself where it begins with the service's
 * name (as ours do unless told otherwise), else behind that name.
 */
export function consulId(key: ServiceKey, id: string): string {
  const name = consulName(key);
  const isPlain = PLAIN.test(name) && PLAIN.test(id);
  return isPlain && id.startsWith(`${name}-`) ? id : `${encodeURIComponent(name)}:${encodeURIComponent(id)}`;
}

/** Id of the TTL check of that service id, another one for each process: so a sign of life for a record lost is refused. */
export function checkId(serviceId: string, owner: string | undefined): string {
  return owner === undefined ? `service:${serviceId}` : `service:${serviceId}:${owner.slice(0, 8)}`;
}

/**
 * Ids within one list. In Consul an id is unique on its node only, and frameworks give the same one on every host: the first
 * node seen keeps the plain id for as long as it is listed, others get `id@node`. One writer: the follower of the service.
 */
export class ListIds {
  private firsts = new Map<string, string>();

  /** Ids for a list of (id, node) pairs, in their order. */
  assign(members: readonly { readonly id: string; readonly node: string }[]): string[] {
    const firsts = new Map<string, string>();
    for (const { id, node } of members) {
      if (this.firsts.get(id) === node) firsts.set(id, node);
    }
    for (const { id, node } of [...members].sort(byNode)) {
      if (!firsts.has(id)) firsts.set(id, node);
    }
    this.firsts = firsts;
    return members.map(({ id, node }) => (firsts.get(id) === node ? id : `${id}@${node}`));
  }
}

function byNode(a: { readonly node: string }, b: { readonly node: string }): number {
  return a.node < b.node ? -1 : a.node > b.node ? 1 : 0;
}
