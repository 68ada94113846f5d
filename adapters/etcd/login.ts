// User and password → token, kept until somebody finds that the server does not know it any more.
import type { CallOptions } from '@grpc/grpc-js';
import type { Etcd3 } from 'etcd3';
import { RenewedFile } from '../../src/registry/renewed-file.ts';
import type { Clock } from '../../src/util/clock.ts';
import { isAuthDisabled } from './errors.ts';
import type { EtcdUser } from './options.ts';

/** Makes the one call that a login is; not `auth` of etcd3's options, which logs in for ever when a server forgets at once. */
export type LoginCall = (call: (client: Etcd3, options: CallOptions) => Promise<{ token: string }>) => Promise<{
  token: string;
}>;

/** One token for all servers of a cluster. Calls that need it at the same time wait for the same login. */
export class Login {
  // Not merely `private`: what is inspected or printed whole by mistake must not show them.
  readonly #user: EtcdUser | undefined;
  readonly #passwordFile: RenewedFile | undefined;
  #pending: Promise<string | undefined> | undefined = undefined;
  #current: string | undefined = undefined;

  constructor(user: EtcdUser | undefined, clock: Clock) {
    this.#user = user;
    this.#passwordFile = user?.passwordFile === undefined ? undefined : new RenewedFile(user.passwordFile, clock);
  }

  /** The token that calls made now carry; undefined before the first login and where none is needed. */
  get token(): string | undefined {
    return this.#current;
  }

  /** The token, after a login through `run` where there is none. Rejects as `run` does, and where the password's file cannot be read. */
  async ready(run: LoginCall): Promise<string | undefined> {
    if (this.#user === undefined) return undefined;
    if (this.#pending === undefined) {
      const pending = this.logIn(this.#user, run);
      this.#pending = pending;
      pending.catch(() => {
        if (this.#pending === pending) this.#pending = undefined; // The next one tries again.
      });
    }
    return this.#pending;
  }

  /** Drops `token` if it is still the one in use. True where another login may help. */
  forget(token: string | undefined): boolean {
    if (this.#user === undefined) return false;
    if (this.#current === token) {
      this.#pending = undefined;
      this.#current = undefined;
    }
    return true;
  }

  /** Undefined where the server keeps no users: good until a call is refused for having none. */
  private async logIn(user: EtcdUser, run: LoginCall): Promise<string | undefined> {
    const { name } = user;
    // Read at each login: whoever changes it makes all tokens of this user worthless.
    const file = this.#passwordFile?.read().bytes.toString('utf8');
    const password = file?.replace(/\r?\n$/, '') ?? user.password ?? '';
    try {
      const { token } = await run((client, options) => client.auth.authenticate({ name, password }, options));
      this.#current = token;
    } catch (error) {
      if (!isAuthDisabled(error)) throw error;
      this.#current = undefined;
    }
    return this.#current;
  }
}
