// Tells a follower at once which file changed, where the system can; the sweep finds what this misses.
import { watch, type FSWatcher } from 'node:fs';
import { makeDirectory } from './make-directory.ts';

/** A directory, watched as long as that works. */
export interface DirectoryWatch {
  /** False after a failure (too many watches, directory gone): only the sweep is left. */
  readonly isWorking: boolean;
  close(): void;
}

/** `name` undefined: the system did not say which. `isNew`: a name came or went; else contents or time stamps changed. */
export function watchDirectory(
  path: string,
  onChange: (name: string | undefined, isNew: boolean) => void,
): DirectoryWatch {
  let watcher: FSWatcher | undefined;
  const close = (): void => {
    watcher?.close();
    watcher = undefined;
  };
  try {
    watcher = watch(path, { persistent: false }, (event, name) => onChange(name ?? undefined, event === 'rename'));
    watcher.on('error', close);
  } catch {
    // ENOENT, ENOSPC (max_user_watches), EMFILE (max_user_instances): not a failure, only slower.
  }
  return {
    get isWorking() {
      return watcher !== undefined;
    },
    close,
  };
}

/** One watch for many that wait for a directory to appear in the same parent. */
export class ParentWatches {
  private readonly parents = new Map<
    string,
    { readonly watch: DirectoryWatch; readonly listeners: Map<string, () => void> }
  >();
  private readonly mode: () => number;

  /** @param mode permissions for parents that are made because somebody waits in them. */
  constructor(mode: () => number) {
    this.mode = mode;
  }

  /** Calls `listener` when `child` comes or goes in `parent`, until the returned function is called. One listener a child. */
  expect(parent: string, child: string, listener: () => void): () => void {
    let entry = this.parents.get(parent);
    if (entry?.watch.isWorking !== true) {
      entry?.watch.close();
      const listeners = entry?.listeners ?? new Map<string, () => void>();
      try {
        makeDirectory(parent, this.mode());
      } catch {
        // Not ours to make: the sweep finds out when somebody else has.
      }
      const onChange = (name: string | undefined): void => {
        if (name === undefined) for (const told of [...listeners.values()]) told();
        else listeners.get(name)?.();
      };
      entry = { watch: watchDirectory(parent, onChange), listeners };
      this.parents.set(parent, entry);
    }
    const { watch, listeners } = entry;
    listeners.set(child, listener);
    return () => {
      if (listeners.get(child) === listener) listeners.delete(child);
      if (listeners.size > 0) return;
      watch.close();
      if (this.parents.get(parent)?.watch === watch) this.parents.delete(parent);
    };
  }
}
