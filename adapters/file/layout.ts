// Where a record lies: `<root>/<namespace>/<group>/<service>/<id>.json`, each segment percent-encoded so that any name is one.
import { join } from 'node:path';
import { RegistryError, type ServiceKey } from '../../src/registry/types.ts';

const RECORD_SUFFIX = '.json';
/** NAME_MAX of every common file system, in bytes. */
const MAX_NAME_BYTES = 255;
const TEMPORARY = /^\.(?:new|gone)-[0-9a-f]{16}$/;

/** One path segment for `text`. Throws RegistryError `invalid` where it would be too long for a file name. */
export function encodeSegment(text: string, suffix = ''): string {
  const encoded = encodeURIComponent(text)
    .replace(/^\./, '%2E')
    .replace(/[!'()*]/g, percent);
  if (encoded.length + suffix.length > MAX_NAME_BYTES) {
    throw new RegistryError('invalid', `a name is too long for a file name (${MAX_NAME_BYTES} bytes, percent-encoded)`);
  }
  return encoded + suffix;
}

/** What a segment stands for; undefined where we would not have written it so (two spellings of one name would be two). */
export function decodeSegment(name: string): string | undefined {
  try {
    const text = decodeURIComponent(name);
    return text !== '' && encodeSegment(text) === name ? text : undefined;
  } catch {
    return undefined;
  }
}

/** Directory of a group of services. */
export function groupDirectory(root: string, key: ServiceKey): string {
  return join(root, encodeSegment(key.namespace), encodeSegment(key.group));
}

/** Directory of a service's records. */
export function serviceDirectory(root: string, key: ServiceKey): string {
  return join(groupDirectory(root, key), encodeSegment(key.service));
}

/** File name of a record. */
export function recordName(id: string): string {
  return encodeSegment(id, RECORD_SUFFIX);
}

/** True for what may be a record: anything that ends so and is not hidden. */
export function isRecordName(name: string): boolean {
  return name.endsWith(RECORD_SUFFIX) && !name.startsWith('.');
}

/** The id of a record's file; undefined where the name is not one that we would have written. */
export function recordId(name: string): string | undefined {
  return decodeSegment(name.slice(0, -RECORD_SUFFIX.length));
}

/** True for what a writer leaves when it dies between two steps. */
export function isTemporaryName(name: string): boolean {
  return TEMPORARY.test(name);
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}
