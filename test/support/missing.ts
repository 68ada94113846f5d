// What a test run leaves out because it is not there: told at once, and summed up with a count when the run ends.
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Names the file that the workers of a run write to. */
const VARIABLE = 'PILOTFISH_TEST_MISSING';

const told = new Set<string>();

/** Tells that something is not there to test with. Throws where it is required: by default where `PILOTFISH_REQUIRE_ALL=1`. */
export function reportMissing(
  name: string,
  reason: string,
  isRequired = process.env['PILOTFISH_REQUIRE_ALL'] === '1',
): void {
  if (isRequired) throw new Error(`${name} is required: ${reason}`);
  if (told.has(name)) return;
  told.add(name);
  process.stderr.write(`\n*** SKIPPED: no ${name} to test with: ${reason}\n\n`);
  const path = process.env[VARIABLE];
  if (path !== undefined) appendFileSync(path, `${name}: ${reason.replaceAll('\n', ' ')}\n`);
}

/** Vitest's global set-up. Gives what it calls at the end. */
export default function countMissing(): () => void {
  const directory = mkdtempSync(join(tmpdir(), 'pilotfish-missing-'));
  const path = join(directory, 'names');
  process.env[VARIABLE] = path;
  return () => {
    const lines = existsSync(path) ? [...new Set(readFileSync(path, 'utf8').trimEnd().split('\n'))] : [];
    rmSync(directory, { recursive: true });
    if (lines.length === 0) return;
    process.stdout.write(
      `\n*** SKIPPED for want of ${lines.length}:\n${lines.map((line) => `***   ${line}\n`).join('')}\n`,
    );
  };
}
