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

/** Reads an identity out of a record; undefined where there is none that makes sense. */
export function parseIdentity(value: unknown): ProcessIdentity | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { pid, startTime, bootId, pidNamespace } = value as Record<string, unknown>;
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid < 1 || pid > 4_194_304) return undefined;
  if (typeof startTime !== 'string' || typeof bootId !== 'string' || typeof pidNamespace !== 'string') return undefined;
  return { pid, startTime, bootId, pidNamespace };
}

/** True where this process can see `identity`'s process: the same boot of the same kernel, the same pid namespace. */
export function isVisible(identity: ProcessIdentity): boolean {
  const self = ownIdentity();
  return self !== undefined && self.bootId === identity.bootId && self.pidNamespace === identity.pidNamespace;
}

/** True only with proof: no such process. A few microseconds; misses a zombie and a pid that was given to another process. */
export function isCertainlyGone(identity: ProcessIdentity): boolean {
  try {
    process.kill(identity.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'; // EPERM: it is there, and not ours.
  }
}

/** True only with proof: no such process, a zombie, or another process under its pid. */
export function isCertainlyDead(identity: ProcessIdentity): boolean {
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
