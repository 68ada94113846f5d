// Which process wrote a record, told so exactly that another process of this host can see at once that it is dead.
import { readFileSync, readlinkSync } from 'node:fs';

/** A process, unmistakable over restarts, reboots and containers. */
export interface ProcessIdentity {
  readonly pid: number;
  /** In clock ticks since boot, as the kernel tells it: another process with the same pid has another one. */
  readonly startTime: string;
  readonly bootId: string;
  /** Inode of the pid namespace: a pid means nothing outside of it. */
  readonly pidNamespace: string;
}

/** This process; undefined where the system does not tell (then only the heartbeat counts). */
export function ownIdentity(): ProcessIdentity | undefined {
  own ??= { identity: readOwn() };
  return own.identity;
}

let own: { readonly identity: ProcessIdentity | undefined } | undefined;

/** What is kept of a process that this one can see. */
export type VisibleProcess = Pick<ProcessIdentity, 'pid' | 'startTime'>;

/**
 * Reads out of a record which process wrote it; undefined where this process cannot see it, since it is of another boot
 * or another pid namespace, or where the record does not say.
 */
export function visibleProcess(value: unknown): VisibleProcess | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { pid, startTime, bootId, pidNamespace } = value as Record<string, unknown>;
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid < 1 || pid > 4_194_304) return undefined;
  if (typeof startTime !== 'string' || typeof bootId !== 'string' || typeof pidNamespace !== 'string') return undefined;
  const self = ownIdentity();
  return self?.bootId === bootId && self.pidNamespace === pidNamespace ? { pid, startTime } : undefined;
}

/** True only with proof: no such process. A few microseconds; misses a zombie and a pid that was given to another process. */
export function isCertainlyGone(identity: VisibleProcess): boolean {
  try {
    process.kill(identity.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'; // EPERM: it is there, and not ours.
  }
}

/** True only with proof: no such process, a zombie, or another process under its pid. */
export function isCertainlyDead(identity: VisibleProcess): boolean {
  if (isCertainlyGone(identity)) return true;
  const facts = statOf(identity.pid);
  return facts !== undefined && (facts.state === 'Z' || facts.state === 'X' || facts.startTime !== identity.startTime);
}

function readOwn(): ProcessIdentity | undefined {
  try {
    const facts = statOf(process.pid);
    if (facts === undefined) return undefined;
    return {
      pid: process.pid,
      startTime: facts.startTime,
      bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
      pidNamespace: readlinkSync('/proc/self/ns/pid'),
    };
  } catch {
    return undefined; // No Linux, or no /proc.
  }
}

/** proc_pid_stat(5): the command, field 2, is in parentheses and may hold anything; state is field 3, start time field 22. */
function statOf(pid: number): { readonly state: string; readonly startTime: string } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const [state, startTime] = [fields[0], fields[19]];
    return state === undefined || startTime === undefined ? undefined : { state, startTime };
  } catch {
    return undefined;
  }
}
