// What a run found: printed, and kept in the corpus, which the unit tests replay.
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/** Beside the sources, wherever the compiled run lies: npm starts it at the root of the project. */
const CORPUS = new URL('test/fuzz/corpus/', pathToFileURL(`${process.cwd()}/`));
const MAX_SAVED = 50;

export class Findings {
  count = 0;

  /** What belongs to no one message. */
  tell(problem: string): void {
    this.count++;
    console.error(`FOUND ${problem}`);
  }

  add(kind: 'request' | 'answer', bytes: Buffer, problem: string): void {
    this.count++;
    if (this.count > MAX_SAVED) return;
    const name = `${kind}-${createHash('sha256').update(bytes).digest('hex').slice(0, 12)}.bin`;
    writeFileSync(new URL(name, CORPUS), bytes);
    console.error(`FOUND ${problem}\n  ${name}: ${JSON.stringify(bytes.toString('latin1').slice(0, 300))}`);
  }
}
