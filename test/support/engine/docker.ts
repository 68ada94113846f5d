// The docker command line as tests call it: one engine, bounded calls, standard output or an error that says what failed.
import { execFile } from 'node:child_process';

/** Longest time of a call unless said otherwise, in ms. */
const CALL_MS = 30_000;
const MAX_OUTPUT_BYTES = 33_554_432;

/** One engine, reached by the `docker` of the path. */
export class Docker {
  /** As `DOCKER_HOST` has it; undefined: as the surroundings say. */
  readonly host: string | undefined;

  constructor(host?: string) {
    this.host = host;
  }

  /** For processes that call docker themselves. */
  get environment(): NodeJS.ProcessEnv {
    return this.host === undefined ? process.env : { ...process.env, DOCKER_HOST: this.host };
  }

  /** Standard output without the last line end. Rejects with what docker said. */
  run(
    args: readonly string[],
    options: { readonly withinMs?: number; readonly withStderr?: boolean } = {},
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      execFile(
        'docker',
        args,
        { env: this.environment, timeout: options.withinMs ?? CALL_MS, maxBuffer: MAX_OUTPUT_BYTES },
        (error, stdout, stderr) => {
          if (error === null) resolve((options.withStderr === true ? stdout + stderr : stdout).trimEnd());
          else reject(new Error(`docker ${args.slice(0, 3).join(' ')}: ${stderr.trim() || error.message}\n${stdout}`));
        },
      );
    });
  }

  /** The engine's version; undefined where none answers. */
  async version(): Promise<string | undefined> {
    try {
      return await this.run(['version', '--format', '{{.Server.Version}}'], { withinMs: 20_000 });
    } catch {
      return undefined;
    }
  }

  async hasImage(name: string): Promise<boolean> {
    return this.run(['image', 'inspect', name]).then(
      () => true,
      () => false,
    );
  }
}
