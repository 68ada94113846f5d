// The network that the bench runs in: one of its own where it may make one, so that no packet filter of the machine
// (Docker's, say, which tracks connections on loopback, too) and no other traffic is in the figures.
import { spawnSync } from 'node:child_process';

const MARK = 'PILOTFISH_BENCH_NAMESPACE';

/** True within a namespace of its own. */
export const isOwnNetwork = process.env[MARK] !== undefined;

/** Runs this very command in a network namespace of its own and ends with its exit code; goes on where that may not be. */
export function enterOwnNetwork() {
  if (isOwnNetwork || inOwnNetwork(['true']) !== 0) return;
  process.exit(inOwnNetwork([process.execPath, ...process.argv.slice(1)]) ?? 1);
}

/** Exit code of a command that is run so, and that does not outlive this process. @param {string[]} command */
function inOwnNetwork(command) {
  const script = 'ip link set lo up && exec "$@"';
  const env = { ...process.env, [MARK]: '1' };
  const argv = ['--pdeathsig', 'TERM', 'unshare', '--net', 'sh', '-c', script, 'sh', ...command];
  return spawnSync('setpriv', argv, { stdio: 'inherit', env }).status;
}
