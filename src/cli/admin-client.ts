// One request to a running sidecar's admin listener.
import { request } from 'node:http';
import type { AdminAddress } from '../config/config.ts';
import { hostPortText, parseAdminAddress } from '../config/schema/scalar.ts';
import { CommandError, EXIT, UsageError } from './command.ts';
import { CONFIG_OPTION, configuration } from './configuration.ts';
import type { Context } from './terminal.ts';

/** The options of every command that talks to a sidecar. */
export const ADMIN_OPTIONS = {
  ...CONFIG_OPTION,
  admin: { type: 'string' },
  json: { type: 'boolean' },
} as const;

/** Their part of a help text. */
export const ADMIN_HELP = `      --admin HOST:PORT   the sidecar's admin listener, or unix:/path (default: as the configuration says)
  -c, --config FILE       configuration to take the address from`;

/** What the sidecar said. */
export interface AdminReply {
  readonly status: number;
  /** Parsed JSON; the text itself where it is none. */
  readonly body: unknown;
}

/** Longest silence of an admin listener, in ms. */
const SILENCE_MS = 5_000;
/** 1,000 services of 10 endpoints are 3 MB. */
const MAX_BODY_BYTES = 67_108_864;

/** `--admin`, or the address of the configuration. */
export async function adminAddress(
  context: Context,
  values: { readonly admin?: string | undefined; readonly config?: string | undefined },
): Promise<AdminAddress> {
  if (values.admin !== undefined) {
    const address = parseAdminAddress(values.admin);
    if (address !== undefined) return address;
    throw new UsageError(`--admin: found "${values.admin}", expected HOST:PORT or unix:/path`);
  }
  const { config } = await configuration(context, values.config);
  const address = config.admin.address;
  if (address.kind === 'tcp' && address.port === 0) {
    throw new UsageError('the admin port is chosen at the start (port 0): say --admin HOST:PORT');
  }
  return address;
}

/** Rejects with CommandError (69) where nobody answers in time; any status is an answer. */
export function callAdmin(address: AdminAddress, method: 'GET' | 'POST', path: string): Promise<AdminReply> {
  const target = address.kind === 'unix' ? { socketPath: address.path } : { host: address.host, port: address.port };
  const name = address.kind === 'unix' ? `unix:${address.path}` : hostPortText(address);
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void =>
      reject(new CommandError(EXIT.unavailable, `no sidecar answers at ${name}`, { cause }));
    const sent = request({ ...target, method, path, timeout: SILENCE_MS, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      let length = 0;
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        if (length > MAX_BODY_BYTES) sent.destroy(new Error('the answer is too long'));
        else chunks.push(chunk);
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: parsed(Buffer.concat(chunks)) }));
      response.on('error', fail);
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer in time')));
    sent.on('error', fail);
    sent.end();
  });
}

function parsed(body: Buffer): unknown {
  const text = body.toString();
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
