// User and password → access token, by Nacos' login API; renewed before it ends. The only file that touches a password.
import { readFileSync } from 'node:fs';
import { errors } from 'undici';
import type { Clock } from '../../src/util/clock.ts';
import { abortable, withDeadline } from '../../src/registry/deadline.ts';
import { asRegistryError, RegistryError } from '../../src/registry/types.ts';
import { ABSENT, ask, baseUrl, dispatcherFor } from './http-client.ts';
import type { NacosEndpoint, NacosSettings } from './options.ts';

/** Who logs in, and where. */
export interface LoginOptions {
  readonly username: string;
  readonly password?: string;
  /** Read anew at each login. */
  readonly passwordFile?: string;
  /** The server in use now. */
  readonly endpoints: { readonly current: NacosEndpoint };
  readonly settings: NacosSettings;
  readonly clock: Clock;
}

/** A login where a user is named. */
export function loginFor(
  settings: NacosSettings,
  endpoints: LoginOptions['endpoints'],
  clock: Clock,
): Login | undefined {
  const { username, password, passwordFile } = settings;
  if (username === undefined) return undefined;
  return new Login({
    username,
    ...(password === undefined ? {} : { password }),
    ...(passwordFile === undefined ? {} : { passwordFile }),
    endpoints,
    settings,
    clock,
  });
}

/** 3.x; 2.x and 3.x with the old API on; 2.x without the console. The first that is there is remembered. */
const PATHS = ['/v3/auth/user/login', '/v1/auth/login', '/v1/auth/users/login'] as const;
/** For each path. */
const LOGIN_TIMEOUT_MS = 3_000;
const RENEW_AT = 0.9;
/** A token that is refused is kept until it is at least twice as old as the one refused before it, within these bounds. */
const MIN_KEEP_MS = 1_000;
const MAX_KEEP_MS = 60_000;
const MAX_ANSWER_BYTES = 65_536;

interface Token {
  readonly text: string;
  readonly madeAtMs: number;
  readonly renewAtMs: number;
  readonly endsAtMs: number;
}

/** One writer: itself. Never logs, and no error of it holds what was sent. */
export class Login {
  private readonly options: LoginOptions;
  private token: Token | undefined = undefined;
  private running: Promise<Token> | undefined = undefined;
  private path: (typeof PATHS)[number] | undefined = undefined;
  private keepMs = 0;

  constructor(options: LoginOptions) {
    this.options = options;
  }

  /** Headers for a request. Rejects with RegistryError `unauthenticated` where the password is wrong. */
  async headers(signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    const nowMs = this.options.clock.now();
    if (this.token !== undefined && nowMs < this.token.renewAtMs) return { accessToken: this.token.text };
    this.running ??= this.logIn();
    const { token } = this;
    if (token !== undefined && nowMs < token.endsAtMs) {
      this.running.catch(() => undefined); // The old one is good still; the next request tries again.
      return { accessToken: token.text };
    }
    return { accessToken: (await abortable(this.running, signal)).text };
  }

  /**
   * The server refused `token`: where it is the one in use, the next request logs in again. True where that may help; false
   * where the token is so new that it is a right that is missing, and a login would only cost the server its time.
   */
  forget(token: string | undefined): boolean {
    if (this.token === undefined || this.token.text !== token) return true;
    const ageMs = this.options.clock.now() - this.token.madeAtMs;
    if (ageMs < this.keepMs) return false;
    this.keepMs = Math.min(MAX_KEEP_MS, Math.max(MIN_KEEP_MS, ageMs * 2));
    this.token = undefined;
    return true;
  }

  private logIn(): Promise<Token> {
    const running = this.tryPaths();
    const end = (token?: Token): void => {
      this.running = undefined;
      if (token !== undefined) this.token = token;
    };
    return running.then(
      (token) => {
        end(token);
        return token;
      },
      (error: unknown) => {
        end();
        throw asRegistryError(error, 'nacos: login');
      },
    );
  }

  private async tryPaths(): Promise<Token> {
    const { clock } = this.options;
    for (const path of this.path === undefined ? PATHS : [this.path]) {
      const post = (signal: AbortSignal): ReturnType<Login['post']> => this.post(path, signal);
      const { status, text } = await withDeadline(clock, LOGIN_TIMEOUT_MS, [], post);
      if (ABSENT.has(status)) continue;
      this.path = path;
      if (status !== 200) throw refused(status);
      return this.tokenFrom(text);
    }
    this.path = undefined;
    throw new RegistryError('unsupported', 'nacos: the server has no login that is known here');
  }

  private async post(path: string, signal: AbortSignal): Promise<{ status: number; text: string }> {
    const { username, endpoints, settings } = this.options;
    const dispatcher = dispatcherFor(settings.tls); // Rare enough for connections of its own.
    try {
      const url = `${baseUrl(endpoints.current, settings)}${path}`;
      const fields = { username, password: this.password() };
      return await ask(dispatcher, { method: 'POST', url, fields, signal, maxBytes: MAX_ANSWER_BYTES });
    } catch (error) {
      // 2.3.2 answers a wrong password with the status line `HTTP/1.1 0`, which is none; undici tells it by the text alone.
      if (error instanceof errors.HTTPParserError && error.message.includes('Invalid status code')) throw refused(0);
      throw error;
    } finally {
      await dispatcher.destroy();
    }
  }

  private password(): string {
    const { password, passwordFile } = this.options;
    if (passwordFile === undefined) return password ?? '';
    return readFileSync(passwordFile, 'utf8').replace(/\r?\n$/, '');
  }

  private tokenFrom(answer: string): Token {
    let fields: Record<string, unknown>;
    try {
      fields = JSON.parse(answer) as Record<string, unknown>;
    } catch {
      throw new RegistryError('protocol', 'nacos: login: the answer is no JSON');
    }
    const { accessToken, tokenTtl } = fields;
    if (typeof accessToken !== 'string' || accessToken === '') throw refused(200);
    const ttlMs = typeof tokenTtl === 'number' && tokenTtl > 0 ? tokenTtl * 1_000 : 60_000;
    const nowMs = this.options.clock.now();
    return { text: accessToken, madeAtMs: nowMs, renewAtMs: nowMs + ttlMs * RENEW_AT, endsAtMs: nowMs + ttlMs };
  }
}

function refused(statusCode: number): RegistryError {
  return statusCode >= 501
    ? new RegistryError('unavailable', `nacos: login: status ${statusCode}`)
    : new RegistryError('unauthenticated', `nacos: login refused (status ${statusCode})`);
}
