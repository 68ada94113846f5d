// What removes containers, networks and volumes of a test run that can no longer do so itself, killed −9 included. It stands
// for testcontainers' Ryuk, which is an image that not every engine can pull and that needs the engine's own socket.
import { spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import type { Docker } from './docker.ts';

/**
 * Reads labels until its standard input ends, which it does however the process on the other side ends; then removes all that
 * has one of them. Twice: what the killed process had asked for may come a moment later.
 */
const SCRIPT = `
  labels=$(cat)
  for round in 1 2; do
    for label in $labels; do
      docker ps -aq --filter "label=$label" | xargs -r docker rm -fv
      docker network ls -q --filter "label=$label" | xargs -r docker network rm
      docker volume ls -q --filter "label=$label" | xargs -r docker volume rm
    done
    [ -z "$labels" ] || sleep 1
  done
`;

const inputs = new Map<string | undefined, Writable>();

/** From now on, all of this engine that has the label ends with this process at the latest. No white space in it. */
export function reapAtExit({ host, environment }: Docker, name: string, value: string): void {
  let input = inputs.get(host);
  if (input === undefined) {
    const child = spawn('sh', ['-c', SCRIPT], {
      env: environment,
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true, // A signal to the test's process group is not for it.
    });
    child.unref();
    input = child.stdin;
    input.on('error', () => undefined); // An engine of our own may have been ended before, with all that was in it.
    (input as Writable & { unref?(): void }).unref?.();
    inputs.set(host, input);
  }
  input.write(`${name}=${value}\n`);
}
