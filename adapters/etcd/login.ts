// User and password → token, kept until somebody finds that the server does not know it any more.
import type { CallOptions } from '@grpc/grpc-js';
import type { Etcd3 } from 'etcd3';
import { isAuthDisabled } from './errors.ts';
import type { EtcdSettings } from './options.ts';

/** Makes the one call that a login is; not `auth` of etcd3's options, which logs in for ever when a server forgets at once. */
export type LoginCall = (call: (client: Etcd3, options: CallOptions) => Promise<{ token: string }>) => Promise<{
  token: string;
}>;

/** One token for all servers of a cluster. Calls that need it at the same time wait for the same login. */
export class Login {
  // Not merely `private`: what is inspected or printed whole by mistake must not show them.
  readonly #user: EtcdSettings['user'];
  #pending: Promise<string | undefined> | undefined = undefined;
  #current: string | undefined = undefined;

  constructor(user: EtcdSettings['user']) {
    this.#user = user;
  }

  /** The token that calls made now carry; undefined before the first login and where none is needed. */
  get token(): string | undefined {
    return this.#current;
  }

  /** The token, after a login through `run` where there is none. Rejects as `run` does. */
  async ready(run: LoginCall): Promise<string | undefined> {
    if (this.#user === undefined) return undefined;
    this.#pending ??= this.logIn(this.#user, run);
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

  private async logIn(user: NonNullable<EtcdSettings['user']>, run: LoginCall): Promise<string | undefined> {
    const { name, password } = user;
    try {
      const { token } = await run((client, options) => client.auth.authenticate({ name, password }, options));
      this.#current = token;
    } catch (error) {
      this.#pending = undefined;
      if (!isAuthDisabled(error)) throw error;
      this.#current = undefined;
      this.#pending = Promise.resolve(undefined); // Until a call is refused for having no user.
    }
    return this.#current;
  }
}
