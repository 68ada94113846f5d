// What of a compose file a test needs to run it with the docker command line alone, so that the samples themselves are tested.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

/** One service as docker takes it. */
export interface ContainerPlan {
  readonly name: string;
  readonly image: string;
  /** `docker run` options, without name, network and labels. */
  readonly options: readonly string[];
  readonly command: readonly string[];
  /** Whose network it shares. */
  readonly sharesNetworkOf?: string;
  /** Named volumes, by their name in the file. */
  readonly volumes: readonly { readonly name: string; readonly path: string }[];
}

type Raw = Readonly<Record<string, unknown>>;

/** In the order of the file, which has what is depended on first. Throws for anything that is not understood here. */
export function readCompose(path: string): ContainerPlan[] {
  const file = parse(readFileSync(path, 'utf8'), { merge: true }) as { services: Record<string, Raw> };
  return Object.entries(file.services).map(([name, service]) => plan(name, service));
}

function plan(name: string, service: Raw): ContainerPlan {
  const options: string[] = [];
  let sharesNetworkOf: string | undefined;
  let volumes: { name: string; path: string }[] = [];
  for (const [key, value] of Object.entries(service)) {
    switch (key) {
      case 'image':
      case 'build': // Built before.
      case 'command':
      case 'depends_on': // The order of the file.
        break;
      case 'hostname':
        options.push('--hostname', text(value));
        break;
      case 'environment':
        for (const [variable, content] of Object.entries(value as Raw))
          options.push('--env', `${variable}=${text(content)}`);
        break;
      case 'network_mode':
        sharesNetworkOf = /^service:(.+)$/.exec(text(value))?.[1];
        if (sharesNetworkOf === undefined) throw new Error(`${name}: network_mode ${text(value)}`);
        break;
      case 'volumes':
        volumes = list(value).map((volume) => {
          const [, source = '', target = ''] = /^(\w+):(\/.*)$/.exec(volume) ?? [];
          if (source === '') throw new Error(`${name}: volume ${volume}`);
          return { name: source, path: target };
        });
        break;
      case 'ports': // On a free port of the host.
        for (const port of list(value)) options.push('--publish', port.replace(/:\d+:/, '::'));
        break;
      case 'read_only':
        if (value === true) options.push('--read-only');
        break;
      case 'cap_drop':
        for (const capability of list(value)) options.push('--cap-drop', capability);
        break;
      case 'security_opt':
        for (const option of list(value)) options.push('--security-opt', option);
        break;
      case 'stop_grace_period':
        options.push('--stop-timeout', text(value).replace(/s$/, ''));
        break;
      default:
        throw new Error(`${name}: ${key} is not understood by this test`);
    }
  }
  const command = service['command'] === undefined ? [] : list(service['command']);
  const shared = sharesNetworkOf === undefined ? {} : { sharesNetworkOf };
  return { name, image: text(service['image']), options, command, volumes, ...shared };
}

/** `$$` is a `$` in compose files. */
function text(value: unknown): string {
  if (typeof value !== 'string' && typeof value !== 'number') throw new Error('not a text');
  return String(value).replaceAll('$$', '$');
}

function list(value: unknown): string[] {
  if (!Array.isArray(value)) throw new Error('not a list');
  return value.map(text);
}
