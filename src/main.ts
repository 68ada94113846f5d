#!/usr/bin/env node
// The executable: command line in, exit code out. Everything else is loaded by the command that needs it.
import { MessageChannel } from 'node:worker_threads';
import { dispatch } from './cli/dispatch.ts';
import { processContext } from './cli/terminal.ts';

// No timer of ours keeps the process alive, and a command that waits for a signal has nothing else: this does.
const { port1 } = new MessageChannel();
port1.on('message', () => undefined);

const code = await dispatch(process.argv.slice(2), processContext());
// What was written to a pipe may still be on its way; what else is open does not hold up the end.
process.stdout.write('', () => process.exit(code));
