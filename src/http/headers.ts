// HOT PATH. The fields of a message: two flat arrays, read and written by every codec and layer.
import { FIELD_OTHER, fieldId } from './field.ts';

/**
 * Fields in the order they came, names as they were spelt; a name may stand several times.
 * Values are latin1 text without CR, LF or NUL, trimmed; whoever adds one from elsewhere has checked that (`isFieldValue`).
 * Look-ups ignore case. One writer at a time: the layer that holds the message.
 */
export class Headers {
  /** name, value, name, value, … */
  readonly pairs: string[] = [];
  /** One id (`field.ts`) for each pair. */
  readonly ids: number[] = [];

  /** How many fields. */
  get size(): number {
    return this.ids.length;
  }

  /** Adds a field at the end. `id` is `fieldId(name)`, for those who know it already. */
  append(name: string, value: string, id: number = fieldId(name)): void {
    this.pairs.push(name, value);
    this.ids.push(id);
  }

  /** The first value of a name (in lower case), undefined where there is none. */
  get(name: string): string | undefined {
    const index = this.find(name, fieldId(name), 0);
    return index < 0 ? undefined : this.pairs[2 * index + 1];
  }

  /** The first value of a known field. */
  getId(id: number): string | undefined {
    const index = this.ids.indexOf(id);
    return index < 0 ? undefined : this.pairs[2 * index + 1];
  }

  /** All values of a name, in order. */
  getAll(name: string): string[] {
    const found: string[] = [];
    const id = fieldId(name);
    for (let index = this.find(name, id, 0); index >= 0; index = this.find(name, id, index + 1)) {
      found.push(this.pairs[2 * index + 1] ?? '');
    }
    return found;
  }

  has(name: string): boolean {
    return this.find(name, fieldId(name), 0) >= 0;
  }

  hasId(id: number): boolean {
    return this.ids.includes(id);
  }

  /** Replaces all fields of that name by one. */
  set(name: string, value: string): void {
    this.delete(name);
    this.append(name, value);
  }

  /** Removes all fields of that name. */
  delete(name: string): void {
    const id = fieldId(name);
    const lower = name.toLowerCase();
    this.removeWhere(
      (fieldId, fieldName) => fieldId === id && (id !== FIELD_OTHER || fieldName.toLowerCase() === lower),
    );
  }

  /** Removes the fields for which `drop` says so, in one pass; the order of the others stays. */
  removeWhere(drop: (id: number, name: string, value: string) => boolean): void {
    const { pairs, ids } = this;
    let kept = 0;
    for (let index = 0; index < ids.length; index++) {
      const id = ids[index] ?? FIELD_OTHER;
      const name = pairs[2 * index] ?? '';
      const value = pairs[2 * index + 1] ?? '';
      if (drop(id, name, value)) continue;
      if (kept !== index) {
        ids[kept] = id;
        pairs[2 * kept] = name;
        pairs[2 * kept + 1] = value;
      }
      kept++;
    }
    ids.length = kept;
    pairs.length = 2 * kept;
  }

  /** A copy that shares nothing. */
  clone(): Headers {
    const copy = new Headers();
    copy.pairs.push(...this.pairs);
    copy.ids.push(...this.ids);
    return copy;
  }

  /** Name and value of each field, in order. */
  *entries(): Generator<readonly [name: string, value: string]> {
    for (let index = 0; index < this.ids.length; index++)
      yield [this.pairs[2 * index] ?? '', this.pairs[2 * index + 1] ?? ''];
  }

  /** From a list of pairs; for tests and for answers that the sidecar makes. */
  static of(...fields: readonly (readonly [name: string, value: string])[]): Headers {
    const headers = new Headers();
    for (const [name, value] of fields) headers.append(name, value);
    return headers;
  }

  private find(name: string, id: number, from: number): number {
    const { pairs, ids } = this;
    if (id !== FIELD_OTHER) {
      const first = ids.indexOf(id, from);
      // Ids of a family (`x-forwarded-*`) are shared by several names.
      if (first < 0 || sameName(pairs[2 * first] ?? '', name)) return first;
    }
    for (let index = from; index < ids.length; index++) {
      if (ids[index] === id && sameName(pairs[2 * index] ?? '', name)) return index;
    }
    return -1;
  }
}

/** True where `text` may stand as a field value: no CR, LF, NUL or other control but tab, nothing above latin1 (RFC 9110 §5.5). */
export function isFieldValue(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f || code > 0xff) return false;
  }
  return true;
}

function sameName(a: string, b: string): boolean {
  return a.length === b.length && (a === b || a.toLowerCase() === b.toLowerCase());
}
