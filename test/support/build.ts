// Vitest global set-up: tests that start real processes run the compiled program, so it is compiled once before them.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

export default function build(): void {
  if (process.env['PILOTFISH_TEST_NO_BUILD'] === '1') return;
  execFileSync('npm', ['run', 'build', '--silent'], { cwd: root, stdio: 'inherit' });
}
