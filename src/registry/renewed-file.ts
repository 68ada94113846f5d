// A small file that others replace while we run (a token, a certificate): read when needed, read again when it changed.
import { readFileSync, statSync } from 'node:fs';
import type { Clock } from '../util/clock.ts';
import { RegistryError } from './types.ts';

/** What a file said last, and a number that is another one after each change. */
export interface FileReading {
  readonly bytes: Buffer;
  readonly version: number;
}

/** Between two looks at the file, in ms. */
const LOOK_EVERY_MS = 1_000;
const MAX_BYTES = 1_048_576;

/** Reads `path` when first asked; later asks look at most once a second whether it was replaced or rewritten. */
export class RenewedFile {
  private readonly path: string;
  private readonly clock: Clock;
  private known: { readonly reading: FileReading; readonly mark: string } | undefined = undefined;
  private lookedAtMs = -Infinity;

  constructor(path: string, clock: Clock) {
    this.path = path;
    this.clock = clock;
  }

  /**
   * The content as of now. Throws RegistryError `unauthenticated` where the file cannot be read and never was; a file that
   * vanishes later keeps its last content (it is often removed and written anew).
   */
  read(): FileReading {
    const nowMs = this.clock.now();
    if (this.known !== undefined && nowMs - this.lookedAtMs < LOOK_EVERY_MS) return this.known.reading;
    this.lookedAtMs = nowMs;
    try {
      const facts = statSync(this.path, { bigint: true });
      const mark = `${facts.dev} ${facts.ino} ${facts.mtimeNs} ${facts.size}`;
      if (this.known?.mark !== mark) {
        if (facts.size > MAX_BYTES) throw new RegistryError('invalid', `${this.path}: longer than ${MAX_BYTES} bytes`);
        const version = (this.known?.reading.version ?? 0) + 1;
        this.known = { mark, reading: { bytes: readFileSync(this.path), version } };
      }
    } catch (error) {
      if (this.known === undefined) {
        if (error instanceof RegistryError) throw error;
        throw new RegistryError('unauthenticated', `${this.path} cannot be read`, { cause: error });
      }
    }
    return this.known.reading;
  }
}
