// The words after `pilotfish`: each command is loaded when it is called.
import type { Command } from './command.ts';

/** What the table of commands knows without loading any. */
export interface Entry {
  readonly name: string;
  /** As the list of commands shows it. */
  readonly usage: string;
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

/** In the order of the help text. */
export const COMMANDS: readonly Entry[] = [
  {
    name: 'run',
    usage: 'run',
    summary: 'the sidecar (the default command)',
    load: async () => (await import('./run.ts')).run,
  },
  {
    name: 'validate',
    usage: 'validate',
    summary: 'check the configuration, print every problem, start nothing',
    load: async () => (await import('./validate.ts')).validate,
  },
  {
    name: 'registry',
    usage: 'registry ls|watch|register',
    summary: 'what the registry holds, changes as they come, hold one registration',
    load: async () => (await import('./registry.ts')).registry,
  },
  {
    name: 'status',
    usage: 'status',
    summary: 'how a running sidecar is, and which endpoints it picks, and why',
    load: async () => (await import('./status.ts')).status,
  },
  {
    name: 'drain',
    usage: 'drain',
    summary: 'take a running sidecar out of the registry, go on serving',
    load: async () => (await import('./drain.ts')).drain,
  },
  {
    name: 'demo',
    usage: 'demo',
    summary: 'services, sidecars and a killed instance under load, on the embedded registry',
    load: async () => (await import('./demo.ts')).demo,
  },
];
