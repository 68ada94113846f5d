// `pilotfish demo`: see it work, on this machine, without anything else.
import { systemClock } from '../util/clock.ts';
import { CommandError, EXIT, readArgs } from './command.ts';
import type { Command } from './command.ts';
import { interrupted } from './terminal.ts';

const PER_SECOND = 400;

export const demo: Command = {
  help: `Usage: pilotfish demo [--keep]

Starts a client with its sidecar and three copies of a small service, each with a sidecar, on the embedded registry.
Calls the service by name, 400 times a second, half GET and half PUT, while one copy is killed, another one started and
one drained. Ends by itself after 14 seconds with a summary.

Options:
      --keep   leave everything running afterwards, with the URLs printed, until Ctrl-C
  -h, --help   this text

Exit codes: 0 not one request failed, 1 otherwise.
`,
  async execute(args, context) {
    const { values } = readArgs(args, { keep: { type: 'boolean', default: false }, app: { type: 'string' } });
    // One copy of the demo's own service, which the demo starts in a process of its own.
    if (values.app !== undefined) return (await import('./demo/app.ts')).runDemoApp(values.app);
    const { runDemo } = await import('./demo/script.ts');
    const stopped = new AbortController();
    const early = new CommandError(EXIT.invalid, 'the demo was interrupted before its end');
    void interrupted(context).then(() => stopped.abort(early));
    return runDemo({
      clock: systemClock,
      keep: values.keep,
      isTerminal: context.terminal.isInteractive,
      perSecond: PER_SECOND,
      write: (text) => context.terminal.out(text),
      signal: stopped.signal,
    });
  },
};
