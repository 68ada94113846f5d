// Binds an admin socket: TCP, or a Unix socket that only its owner may open.
import { existsSync } from 'node:fs';
import { chmod, lstat, unlink } from 'node:fs/promises';
import type { Server } from 'node:http';
import { connect } from 'node:net';

/** Where an admin listener listens; `ListenAddress` of the configuration is one. */
export type AdminAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** Binds; resolves to the address as it is bound (`host:port` with the real port, or `unix:/path`). Rejects with what to do about it. */
export async function bind(server: Server, address: AdminAddress): Promise<string> {
  if (address.kind === 'tcp') {
    await listen(server, { host: address.host, port: address.port }, textOf(address));
    const bound = server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
    return textOf({ ...address, port });
  }
  await removeStale(address.path);
  await listen(server, { path: address.path }, textOf(address));
  await chmod(address.path, 0o600);
  return textOf(address);
}

/** `host:port`, `[v6]:port` or `unix:/path`. */
export function textOf(address: AdminAddress): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}

function listen(server: Server, options: { host?: string; port?: number; path?: string }, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(new Error(`admin listener ${name}: cannot bind`, { cause: error }));
    server.once('error', onError);
    // A Unix socket is made without rights for others rather than changed afterwards, so that nobody connects in between.
    // Binding happens within the call: no other file of the process is made meanwhile.
    const umask = process.umask(0o177);
    server.listen(options, () => {
      server.removeListener('error', onError);
      resolve();
    });
    process.umask(umask);
  });
}

/** A socket that a killed process left behind is removed; one that answers, or anything else of that name, stays. */
async function removeStale(path: string): Promise<void> {
  if (!existsSync(path) || !(await lstat(path)).isSocket()) return;
  if (!(await isAnswered(path))) await unlink(path);
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
