// Flap damping: a record that comes and goes is used last for a while, never left out (after RFC 2439, BGP route flap damping).

/** Penalty of one disappearance; the unit that the other figures are read in (RFC 2439 §4.2). */
const PENALTY = 1_000;
/** At or above this an id is flapping: the third disappearance within a short time. */
const SUPPRESS = 2_500;
/** Below this it no longer is. */
const REUSE = 750;
/** No penalty grows beyond this, so that the worst is forgiven after four half-lives. */
const CEILING = 12_000;
/** Half-life of a penalty, in ms. */
const HALF_LIFE_MS = 60_000;
/** A penalty below this is forgotten. */
const FORGET = 250;
/** Ids remembered at most; the oldest are forgotten first. */
const MAX_IDS = 20_000;

interface Mark {
  readonly penalty: number;
  readonly atMs: number;
  readonly isFlapping: boolean;
}

/** Penalties of one service's ids. Only ids that disappeared at least once are remembered. */
export class Damping {
  private readonly marks = new Map<string, Mark>();

  /** To be called when `id` left the list, for whatever reason. */
  disappeared(id: string, nowMs: number): void {
    const mark = this.marks.get(id);
    const penalty = Math.min(CEILING, (mark === undefined ? 0 : decayed(mark, nowMs)) + PENALTY);
    this.marks.delete(id); // So that insertion order is order of age.
    this.marks.set(id, { penalty, atMs: nowMs, isFlapping: penalty >= SUPPRESS || (mark?.isFlapping ?? false) });
    if (this.marks.size > MAX_IDS) {
      for (const oldest of this.marks.keys()) {
        this.marks.delete(oldest);
        break;
      }
    }
  }

  /** Lets penalties decay; true if an id stopped flapping. */
  decay(nowMs: number): boolean {
    let changed = false;
    for (const [id, mark] of this.marks) {
      const penalty = decayed(mark, nowMs);
      if (mark.isFlapping && penalty < REUSE) {
        this.marks.set(id, { ...mark, isFlapping: false });
        changed = true;
      } else if (!mark.isFlapping && penalty < FORGET) {
        this.marks.delete(id);
      }
    }
    return changed;
  }

  /** All that flap, whether or not they are there now. */
  *flapping(): Iterable<string> {
    for (const [id, { isFlapping }] of this.marks) if (isFlapping) yield id;
  }

  /** Monotonic ms at which the first flapping id stops; undefined where none flaps. */
  get calmAtMs(): number | undefined {
    let atMs: number | undefined;
    for (const mark of this.marks.values()) {
      if (!mark.isFlapping) continue;
      const calm = mark.atMs + HALF_LIFE_MS * Math.max(0, Math.log2(mark.penalty / REUSE)) + 1;
      if (atMs === undefined || calm < atMs) atMs = calm;
    }
    return atMs;
  }

  /** Ids remembered now. */
  get size(): number {
    return this.marks.size;
  }

  /** Another epoch voids history. */
  clear(): void {
    this.marks.clear();
  }
}

function decayed(mark: Mark, nowMs: number): number {
  return mark.penalty * 2 ** (-(nowMs - mark.atMs) / HALF_LIFE_MS);
}
