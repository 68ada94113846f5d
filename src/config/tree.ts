// The configuration as plain values that remember where they came from: between reading (parse, variables) and judging (check).
import { pathKey } from './problem.ts';
import type { Path } from './problem.ts';

/** A mapping without a prototype, so that no key of a file can reach one. */
export type Mapping = Record<string, unknown>;

/** 1-based line and column. */
export interface Spot {
  readonly line: number;
  readonly column: number;
}

/** Where a value and its key stand in the file. */
export interface Place {
  readonly key: Spot | undefined;
  readonly value: Spot;
}

/** One configuration before it is judged. Written by `parse` and `variables` only. */
export class Tree {
  readonly root: Mapping = newMapping();
  /** As it is shown in problems; undefined where there is no file. */
  readonly file: string | undefined;
  private readonly places = new Map<string, Place>();
  private readonly variables = new Map<string, string>();
  private readonly substituted = new Map<string, readonly string[]>();

  constructor(file?: string) {
    this.file = file;
  }

  /** The value at a path; undefined where there is none. */
  get(path: Path): unknown {
    let value: unknown = this.root;
    for (const step of path) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
      value = (value as Record<string | number, unknown>)[step];
    }
    return value;
  }

  /** Puts a value in, making the mappings on the way; without effect where something else than a mapping is in the way. */
  set(path: Path, value: unknown): void {
    let mapping: unknown = this.root;
    for (const [depth, step] of path.entries()) {
      if (typeof mapping !== 'object' || mapping === null) return;
      const level = mapping as Record<string | number, unknown>;
      if (depth === path.length - 1) level[step] = value;
      else mapping = level[step] ??= newMapping();
    }
  }

  /** Takes a key away. */
  remove(path: Path): void {
    const parent = this.get(path.slice(0, -1));
    const last = path.at(-1);
    if (typeof parent === 'object' && parent !== null && last !== undefined) Reflect.deleteProperty(parent, last);
  }

  setPlace(path: Path, place: Place): void {
    this.places.set(pathKey(path), place);
  }

  place(path: Path): Place | undefined {
    return this.places.get(pathKey(path));
  }

  /** Says that everything at and below `path` comes from a `PILOTFISH_` variable. */
  setVariable(path: Path, name: string): void {
    this.variables.set(pathKey(path), name);
  }

  /** The `PILOTFISH_` variable that a value comes from. */
  variable(path: Path): string | undefined {
    for (let length = path.length; length > 0; length--) {
      const name = this.variables.get(pathKey(path.slice(0, length)));
      if (name !== undefined) return name;
    }
    return undefined;
  }

  /** Says that the text at `path` was put together from these variables. */
  setSubstituted(path: Path, names: readonly string[]): void {
    this.substituted.set(pathKey(path), names);
  }

  /** The variables that a text of the file was put together from; empty where it was written out. */
  substitutedFrom(path: Path): readonly string[] {
    return this.substituted.get(pathKey(path)) ?? [];
  }
}

export function newMapping(): Mapping {
  return Object.create(null) as Mapping;
}
