// How much metadata an instance may have, in a configuration and in a registry.

/** UTF-8 bytes of all keys and values together. */
export const MAX_METADATA_BYTES = 16_384;
export const MAX_METADATA_ENTRIES = 256;

/** UTF-8 bytes of all keys and values. */
export function metadataBytes(metadata: Readonly<Record<string, string>>): number {
  let bytes = 0;
  for (const [name, value] of Object.entries(metadata)) bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  return bytes;
}

/** True where a registry would refuse so much. */
export function isTooMuchMetadata(metadata: Readonly<Record<string, string>>): boolean {
  return Object.keys(metadata).length > MAX_METADATA_ENTRIES || metadataBytes(metadata) > MAX_METADATA_BYTES;
}
