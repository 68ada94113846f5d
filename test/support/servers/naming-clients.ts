// What others do with etcd (its own naming client for gRPC, go-kratos), as processes: they register, and say what they find.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { killAtExit } from '../children.ts';
import { reportMissing } from '../missing.ts';
import { cacheDirectory } from './index.ts';

/** As the folder in `go/` that says which versions of them. */
const NAME = 'naming-clients-3.6.16';

/** What may be asked of them; the rest of the words is in `go/<NAME>/main.go`. */
export type NamingClient = 'grpc' | 'kratos';

/** The program, in the cache; undefined, told once on the terminal, where it is not there. */
export function findNamingClients(): string | undefined {
  const path = join(cacheDirectory(), 'servers', NAME, 'naming-clients');
  if (existsSync(path)) return path;
  reportMissing('naming clients of etcd', `no ${path} (npm run servers)`);
  return undefined;
}

/** Registers, and keeps alive, until `leave` (which takes the record away) or `kill`. Resolves when registered. */
export async function startNamingClient(
  program: string,
  address: string,
  client: NamingClient,
  ...words: readonly string[]
): Promise<{ leave(): Promise<void>; kill(): Promise<void> }> {
  const child = spawn(program, [address, client, 'add', ...words], { stdio: ['pipe', 'pipe', 'inherit'] });
  killAtExit(child);
  const ended = once(child, 'exit');
  const [first] = (await Promise.race([once(child.stdout, 'data'), ended])) as unknown[];
  if (String(first).trim() !== 'ok') throw new Error(`${client} could not register (${String(first)})`);
  return {
    leave: async () => {
      child.stdin.end();
      await ended;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** What it finds of a service now, as it says itself. */
export async function listByNamingClient(
  program: string,
  address: string,
  client: NamingClient,
  service: string,
): Promise<unknown> {
  const { stdout } = await promisify(execFile)(program, [address, client, 'list', service], { timeout: 20_000 });
  return JSON.parse(stdout) as unknown;
}
