// Writes one list to disk lot by lot: thousands of records are not made into text in one go, while requests wait.
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { encodeRecord } from './record.ts';
import type { ServiceInstance } from './types.ts';

/** What stands before the records. */
export type SnapshotHead = Readonly<Record<'source' | 'key' | 'epoch' | 'revision' | 'savedAtWallMs', unknown>>;

/** Records that are made into text at a time, which takes about a millisecond; between two lots the loop goes on. */
const LOT = 250;

/** The first line of a file, of the same length for every body. @param sha256 of the body, in hexadecimal digits. */
export function firstLine(sha256: string): string {
  return `${JSON.stringify({ v: 1, sha256 })}\n`;
}

/** Writes the body, then the line before it, and syncs. @returns false where the body would be longer than `maxBytes`. */
export async function writeSnapshot(
  file: FileHandle,
  head: SnapshotHead,
  instances: readonly ServiceInstance[],
  maxBytes: number,
): Promise<boolean> {
  const hash = createHash('sha256');
  const startsAt = firstLine('0'.repeat(64)).length;
  let bytes = 0;
  const append = async (text: string): Promise<void> => {
    const content = Buffer.from(text);
    hash.update(content);
    await file.write(content, 0, content.length, startsAt + bytes);
    bytes += content.length;
  };
  await append(`${JSON.stringify(head).slice(0, -1)},"records":[`);
  for (let from = 0; from < instances.length && bytes <= maxBytes; from += LOT) {
    const lot = instances.slice(from, from + LOT);
    const texts = lot.map((instance) => `{"id":${JSON.stringify(instance.id)},"record":${encodeRecord(instance)}}`);
    await append(`${from === 0 ? '' : ','}${texts.join(',')}`);
  }
  await append(']}');
  if (bytes > maxBytes) return false;
  await file.write(firstLine(hash.digest('hex')), 0);
  await file.sync();
  return true;
}
