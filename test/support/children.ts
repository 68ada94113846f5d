// Child processes that must not outlive this one, however it ends (but by SIGKILL).
import type { ChildProcess } from 'node:child_process';

const children = new Set<ChildProcess>();

process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** Kills it, −9, when this process exits before it. */
export function killAtExit(child: ChildProcess): void {
  children.add(child);
  const forget = (): void => void children.delete(child);
  child.once('exit', forget);
  child.once('error', forget);
}
