// Starts actors: `actor.ts` is compiled beside the built program, so that what runs is what ships.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { killAtExit } from '../support/children.ts';
import type { News, Order } from './actor.ts';
import { until, type Space } from './harness.ts';

const source = fileURLToPath(new URL('actor.ts', import.meta.url));
const directory = fileURLToPath(new URL('../../dist/test/conformance/', import.meta.url));
let compiled: string | undefined;
/** What each space has running: a case that fails must not leave actors that take the processor from all others. */
const running = new WeakMap<Space, ChildProcess[]>();

/** A running actor. */
export interface Actor {
  readonly process: ChildProcess;
  readonly news: readonly News[];
  tell(order: Order): void;
  /** Waits for news. */
  hears(what: string, withinMs: number, isIt: (news: News) => boolean): Promise<void>;
  /** The states of one of its registrations, in order. */
  states(id: string): string[];
  /** Ends it and waits until it is gone; its exit code, or the signal's name. */
  kill(signal: NodeJS.Signals): Promise<number | NodeJS.Signals>;
}

/** Starts one on a space; killed by `endActors`, and with the test's process in any case. */
export async function startActor(space: Space): Promise<Actor> {
  const args = [compile(), JSON.stringify(space.selection)];
  const uid = space.actorUid;
  const child = spawn(process.execPath, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  killAtExit(child);
  running.set(space, [...(running.get(space) ?? []), child]);
  const exited = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  const news: News[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => news.push(JSON.parse(line) as News));
  child.stdin.on('error', () => undefined);
  const actor: Actor = {
    process: child,
    news,
    tell: (order) => {
      child.stdin.write(`${JSON.stringify(order)}\n`);
    },
    hears: async (what, withinMs, isIt) => {
      await until(what, withinMs, () => news.some(isIt));
    },
    states: (id) => news.flatMap((entry) => (entry.news === 'registration' && entry.id === id ? [entry.state] : [])),
    kill: async (signal) => {
      child.kill(signal);
      const [code, by] = await exited;
      return code ?? by ?? 'SIGKILL';
    },
  };
  await actor.hears('the actor starts', 15_000, (entry) => entry.news === 'ready');
  return actor;
}

/** Kills those of a space that still run. */
export function endActors(space: Space): void {
  for (const child of running.get(space) ?? []) child.kill('SIGKILL');
}

/** To be called at the end: what is in `dist` is published. */
export function removeCompiledActor(): void {
  if (compiled !== undefined) rmSync(compiled, { force: true });
  compiled = undefined;
}

function compile(): string {
  if (compiled !== undefined) return compiled;
  const { outputText } = ts.transpileModule(readFileSync(source, 'utf8'), {
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.ESNext,
      rewriteRelativeImportExtensions: true,
      verbatimModuleSyntax: true,
    },
  });
  mkdirSync(directory, { recursive: true });
  compiled = `${directory}actor-${process.pid}.js`;
  writeFileSync(compiled, outputText);
  return compiled;
}
