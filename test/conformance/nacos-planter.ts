// Somebody else's records in Nacos: written over connections of their own, broken ones included.
import { Endpoints } from '../../adapters/nacos/endpoints.ts';
import { Login } from '../../adapters/nacos/login.ts';
import { Namespace } from '../../adapters/nacos/namespace.ts';
import { Names, type NacosName } from '../../adapters/nacos/names.ts';
import { nacosSettings, type NacosOptions, type NacosSettings } from '../../adapters/nacos/options.ts';
import { toNacosInstance, type NacosInstance } from '../../adapters/nacos/record.ts';
import { systemClock } from '../../src/util/clock.ts';
import type { ServiceInstance, ServiceKey } from '../../src/registry/types.ts';

/** Nobody's metadata is longer than what the server takes. */
const MAX_METADATA_BYTES = 900;
const FOR_EVER_MS = 86_400_000;
const TIMEOUT_MS = 10_000;

export class NacosPlanter {
  private readonly settings: NacosSettings;
  private readonly names: Names;
  private readonly opened: Namespace[] = [];
  private namespace: Namespace;

  constructor(options: NacosOptions) {
    this.settings = nacosSettings(options, {});
    this.names = new Names(this.settings.namespace, this.settings.group);
    this.namespace = this.open();
  }

  async plant(instances: readonly ServiceInstance[]): Promise<void> {
    await Promise.all(
      instances.map((instance) => {
        const publication = this.namespace.publication(this.names.toNacos(instance.key));
        const own = toNacosInstance(instance, MAX_METADATA_BYTES);
        return publication.set(instance.id, own, FOR_EVER_MS, AbortSignal.timeout(TIMEOUT_MS));
      }),
    );
  }

  async unplant(instance: ServiceInstance): Promise<void> {
    const publication = this.namespace.publication(this.names.toNacos(instance.key));
    await publication.remove(instance.id, AbortSignal.timeout(TIMEOUT_MS));
  }

  /** What the server knows of us is gone with the connection. */
  forgetAll(): void {
    this.close();
    this.namespace = this.open();
  }

  async plantBroken(key: ServiceKey): Promise<number> {
    const name = this.names.toNacos(key);
    const broken = brokenInstances(name);
    const other = this.open();
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const connection = await other.link.ready(signal);
    const { namespaceId: namespace, groupName, serviceName } = name;
    const batch = { module: 'naming', namespace, groupName, serviceName, type: 'batchRegisterInstance' };
    await other.link.request(connection, 'BatchInstanceRequest', { ...batch, instances: broken }, signal);
    return broken.length;
  }

  close(): void {
    for (const namespace of this.opened) namespace.close();
    this.opened.length = 0;
  }

  private open(): Namespace {
    const { settings } = this;
    const clock = systemClock;
    const endpoints = new Endpoints(settings.endpoints, clock);
    const { username = '', password = '' } = settings;
    const login = username === '' ? undefined : new Login({ username, password, endpoints, settings, clock });
    const namespaceId = this.names.namespaceId;
    const namespace = new Namespace({ settings, namespaceId, clock, ttlMs: 1_000, login, endpoints });
    this.opened.push(namespace);
    return namespace;
  }
}

function brokenInstances(name: NacosName): NacosInstance[] {
  const good: NacosInstance = {
    ip: '10.9.9.9',
    port: 80,
    weight: 1,
    healthy: true,
    enabled: true,
    ephemeral: true,
    clusterName: 'DEFAULT',
    serviceName: name.serviceName,
    metadata: {},
  };
  const own = (fields: object): Pick<NacosInstance, 'metadata'> => ({
    metadata: { pilotfish: JSON.stringify(fields) },
  });
  return [
    { ...good, ip: '' },
    { ...good, port: 0 },
    { ...good, ip: '169.254.169.254' },
    { ...good, ip: '0.0.0.0' },
    { ...good, ip: 'http://10.0.0.1/' },
    { ...good, port: 1, weight: -3 },
    { ...good, port: 2, metadata: { pilotfish: '{"v":1,' } },
    { ...good, port: 3, ...own({ v: 2 }) },
    { ...good, port: 4, ...own({ v: 1, id: 7 }) },
    { ...good, port: 5, ...own({ v: 1, id: '' }) },
    { ...good, port: 6, ...own({ v: 1, id: 'x', protocol: 'gopher' }) },
    { ...good, port: 7, ...own({ v: 1, id: 'y', tags: 'all' }) },
  ];
}
