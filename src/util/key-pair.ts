// A certificate of our own and its key: judged alike by the configuration and by the adapters that load the files.

/** Both, or neither: one is of no use without the other. */
export function isKeyPair({ cert, key }: { readonly cert?: unknown; readonly key?: unknown }): boolean {
  return (cert === undefined) === (key === undefined);
}
