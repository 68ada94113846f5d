// `pilotfish run`: the sidecar, until a signal or `POST /quit` ends it.
import type { Config } from '../config/config.ts';
import { tuneCollector } from '../runtime/process-limits.ts';
import { readArgs } from './command.ts';
import type { Command } from './command.ts';
import { CONFIG_OPTION, configuration } from './configuration.ts';
import type { Context, StopSignal } from './terminal.ts';

/** As much of the sidecar as this command needs. */
export interface RunningSidecar {
  /** Drains and ends; `finished` tells when. */
  stop(reason: string): Promise<void>;
  /** Told of what escaped every layer: a bug, which ends nothing while anything works. */
  escaped(error: unknown): void;
  /** Told of what Node warns of, such as a deprecated call of a library: a line of the log like any other. */
  warned(warning: Error): void;
  readonly finished: Promise<number>;
  /** Goes on in a new access log of the same name. */
  reopenLogs(): void;
}

/** Rejects with an Error whose `exitCode` says what kind of failure it is. */
export type StartSidecar = (config: Config) => Promise<RunningSidecar>;

/** What a shell reports for a process that a signal ended: 128 + its number. */
const SIGNAL_EXIT: Readonly<Record<StopSignal, number>> = { SIGINT: 130, SIGTERM: 143 };

export const run: Command = {
  help: `Usage: pilotfish run [-c FILE]

The sidecar: registers your service, discovers the others, proxies both ways. This is the default command.

Options:
  -c, --config FILE   configuration (default: PILOTFISH_CONFIG, or ./pilotfish.yaml where it exists)
  -h, --help          this text

Environment alone is enough, for instance beside an app on port 3000:
  PILOTFISH_SERVICE=orders PILOTFISH_APP=127.0.0.1:3000 pilotfish run
A sidecar with neither only calls others. All variables: docs/configuration.md.

SIGTERM and SIGINT drain: deregister, go on serving for drain.settle, finish what is in flight. A second one ends at once.
SIGHUP opens the access log's file anew, for log rotation.
Exit codes: 0 clean stop, 1 configuration invalid, 4 a listener could not bind, 70 critical failure, 130 or 143 after a
second signal.
`,
  async execute(args, context) {
    const { values } = readArgs(args, CONFIG_OPTION);
    const { config } = await configuration(context, values.config);
    const { startSidecar } = await import('../sidecar.ts');
    const start: StartSidecar = async (valid) => {
      const sidecar = await startSidecar(valid, {});
      tuneCollector();
      return sidecar;
    };
    return runUntilStopped(config, start, context);
  },
};

/**
 * From a valid configuration to the exit code. A signal during the start waits for the start, a second one does not.
 * Rejects with what `start` throws, and with a bug that escaped before there was a sidecar.
 */
export async function runUntilStopped(config: Config, start: StartSidecar, context: Context): Promise<number> {
  let first: StopSignal | undefined;
  let sidecar: RunningSidecar | undefined;
  const stop = (reason: string): void => {
    // A stop that fails shows in `finished`.
    sidecar?.stop(reason).catch(() => undefined);
  };
  let endAtOnce: (code: number) => void = () => undefined;
  let giveUp: (error: unknown) => void = () => undefined;
  const ended = new Promise<number>((resolve, reject) => ([endAtOnce, giveUp] = [resolve, reject]));
  const offEscape = context.onEscape((error) => (sidecar === undefined ? giveUp(error) : sidecar.escaped(error)));
  const offWarning = context.onWarning((warning) => {
    if (sidecar === undefined) context.terminal.err(`pilotfish: ${warning.name}: ${warning.message}\n`);
    else sidecar.warned(warning);
  });
  // A terminal that closes takes what runs in it along; a service is told to open its log anew.
  const offHangup = context.onHangup(() => {
    if (context.terminal.isInteractive) stop('SIGHUP');
    else sidecar?.reopenLogs();
  });
  const offSignal = context.onSignal((signal) => {
    if (first !== undefined) endAtOnce(SIGNAL_EXIT[signal]);
    first ??= signal;
    stop(signal);
  });
  try {
    const started = start(config);
    // After a second signal nobody waits for the start any more.
    started.catch(() => undefined);
    const early = await Promise.race([started, ended]);
    if (typeof early === 'number') return early;
    sidecar = early;
    if (first !== undefined) stop(first);
    return await Promise.race([sidecar.finished, ended]);
  } finally {
    offSignal();
    offHangup();
    offEscape();
    offWarning();
  }
}
