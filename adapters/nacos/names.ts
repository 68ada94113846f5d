// A service's name as Nacos spells it: our `default` namespace and group are those that the options name.
import { RegistryError, type ServiceKey } from '../../src/registry/types.ts';

/** Where a service is in Nacos. */
export interface NacosName {
  readonly namespaceId: string;
  readonly groupName: string;
  readonly serviceName: string;
}

/** Nacos' own namespace and group where nothing is said. Over gRPC `""` is another namespace than `public`: never sent. */
export const PUBLIC_NAMESPACE = 'public';
export const DEFAULT_GROUP = 'DEFAULT_GROUP';

// What servers check since 2.3 (ParamCheckRule of nacos-common); older and stricter ones answer with an error of theirs.
const NAMESPACE = /^[\w-]{1,64}$/;
const GROUP = /^(?!.*@@)[^\s@][^\s]{0,127}$/u;
const SERVICE = /^(?!.*@@)[^\s@\u4e00-\u9fa5][^\s\u4e00-\u9fa5]{0,511}$/u;

/** Translates keys both ways. */
export class Names {
  readonly namespaceId: string;
  readonly groupName: string;

  /** @param namespaceId and `groupName`: what `default` means here. Throws RegistryError `invalid`. */
  constructor(namespaceId: string, groupName: string) {
    this.namespaceId = namespaceId === '' ? PUBLIC_NAMESPACE : namespaceId;
    this.groupName = groupName;
    if (!NAMESPACE.test(this.namespaceId)) throw invalid('namespace', 'letters, digits, _ and -, at most 64');
    if (!GROUP.test(groupName)) throw invalid('group', 'no blanks, no @@, at most 128');
  }

  /** Throws RegistryError `invalid` for what Nacos cannot spell. */
  toNacos(key: ServiceKey): NacosName {
    const namespaceId = key.namespace === 'default' ? this.namespaceId : key.namespace;
    const groupName = key.group === 'default' ? this.groupName : key.group;
    if (!NAMESPACE.test(namespaceId)) throw invalid('namespace', 'letters, digits, _ and -, at most 64');
    if (!GROUP.test(groupName)) throw invalid('group', 'no blanks, no @@, at most 128');
    if (!SERVICE.test(key.service)) throw invalid('service', 'no blanks, no @@, no Han characters, at most 512');
    return { namespaceId, groupName, serviceName: key.service };
  }

  /** The key under which `toNacos` finds this service again. */
  toKey(name: NacosName): ServiceKey {
    return {
      namespace: name.namespaceId === this.namespaceId ? 'default' : name.namespaceId,
      group: name.groupName === this.groupName ? 'default' : name.groupName,
      service: name.serviceName,
    };
  }
}

/** `group@@service`, as Nacos joins them. */
export function groupedName(name: NacosName): string {
  return `${name.groupName}@@${name.serviceName}`;
}

function invalid(what: string, rule: string): RegistryError {
  return new RegistryError('invalid', `nacos: ${what} cannot be spelled here: ${rule}`);
}
