// Between a list from the registry and the list we believe: losing all or most at once needs a second look (REGISTRIES §2.2).
import { byIdOrder, differences, hasId, type ById } from './by-id.ts';
import type { ServiceInstance } from './types.ts';

/** How much the guard distrusts. */
export interface GuardOptions {
  /** Between the suspicious list and the read that confirms it, in ms. Default 5,000. */
  readonly emptyConfirmMs: number;
  /** Losing more than this share at once is suspicious, 0..1. Default 0.5. */
  readonly shrinkRatio: number;
  /** How long a suspect that answers its probes is kept, in ms. Default 600,000. */
  readonly holdMs: number;
}

export const GUARD_DEFAULTS: GuardOptions = { emptyConfirmMs: 5_000, shrinkRatio: 0.5, holdMs: 600_000 };

/** An instance that the registry no longer names, without an explanation. */
interface Missing {
  readonly instance: ServiceInstance;
  /** `dropped`: believed gone, remembered for a while. `held`: not believed yet. `suspect`: confirmed, until proven dead. */
  readonly phase: 'dropped' | 'held' | 'suspect';
  /** Monotonic ms at which this phase began. */
  readonly sinceMs: number;
}

/** What a list is judged by, beside its instances. */
export interface Judgement {
  /** Ids whose removal needs no second look. */
  readonly departed: ReadonlySet<string>;
  readonly nowMs: number;
}

/**
 * Remembers one service's members. Small losses pass at once. A loss of all, or of more than `shrinkRatio` within one
 * `emptyConfirmMs` (so that a slow trickle counts as well), is held until a second read confirms it; then the missing are
 * suspects, which leave when a probe fails, when they are back, or after `holdMs`. One writer: the service's watcher.
 */
export class Guard {
  private readonly options: GuardOptions;
  /** What the registry names. */
  private present: ById = [];
  private readonly missing = new Map<string, Missing>();

  constructor(options: GuardOptions) {
    this.options = options;
  }

  /** What is believed before the first list, from disk; its loss is judged like any other. */
  seed(instances: ById): void {
    this.present = instances;
  }

  /** Takes a list; true if it was not believed as it came. */
  judge(instances: ById, { departed, nowMs }: Judgement): boolean {
    let survivors = this.present.length;
    const lost = new Set<string>();
    for (const id of this.missing.keys()) {
      if (hasId(instances, id) || departed.has(id)) this.missing.delete(id);
    }
    for (const { before, now } of differences(this.present, instances)) {
      if (before === undefined || now !== undefined) continue;
      survivors--;
      if (departed.has(before.id) || before.leaving === true) continue;
      lost.add(before.id);
      this.missing.set(before.id, { instance: before, phase: 'dropped', sinceMs: nowMs });
    }
    this.present = instances;
    this.forgetOld(nowMs);
    return this.hold(lost, survivors, nowMs);
  }

  /**
   * Takes the ids of a second, independent read: what is held for long enough and missing there too becomes suspect.
   * `contradicted`: the second read names an id that the list does not, so the list cannot be trusted.
   */
  confirm(named: ReadonlySet<string>, nowMs: number): 'confirmed' | 'contradicted' {
    let isContradicted = false;
    for (const [id, entry] of this.missing) {
      if (entry.phase !== 'held' || nowMs - entry.sinceMs < this.options.emptyConfirmMs) continue;
      if (named.has(id)) isContradicted = true;
      this.missing.set(id, { ...entry, phase: named.has(id) ? 'held' : 'suspect', sinceMs: nowMs });
    }
    return isContradicted ? 'contradicted' : 'confirmed';
  }

  /** Another epoch: what waits for its confirmation has to wait anew; suspects stay what they are. */
  restart(nowMs: number): void {
    for (const [id, entry] of this.missing) {
      if (entry.phase === 'held') this.missing.set(id, { ...entry, sinceMs: nowMs });
    }
  }

  /** Drops a suspect; true if `id` was one. */
  drop(id: string): boolean {
    return this.missing.get(id)?.phase === 'suspect' && this.missing.delete(id);
  }

  /** Lets suspects go whose time is over; true if there was one. */
  expire(nowMs: number): boolean {
    let changed = false;
    for (const [id, entry] of this.missing) {
      if (entry.phase === 'suspect' && nowMs - entry.sinceMs >= this.options.holdMs) changed = this.missing.delete(id);
    }
    return changed;
  }

  /** All that is believed: what the registry names, and what is held or suspect. */
  members(): ById {
    if (!this.isHolding) return this.present;
    const members = [...this.present];
    for (const entry of this.missing.values()) {
      if (entry.phase !== 'dropped') members.push(entry.instance);
    }
    return members.sort(byIdOrder);
  }

  suspects(): Set<string> {
    const ids = new Set<string>();
    for (const [id, entry] of this.missing) {
      if (entry.phase === 'suspect') ids.add(id);
    }
    return ids;
  }

  /** True while the list believed is not the one that the registry gave. */
  get isHolding(): boolean {
    for (const entry of this.missing.values()) if (entry.phase !== 'dropped') return true;
    return false;
  }

  /** Monotonic ms at which a second read is wanted; undefined: none is. */
  get confirmAtMs(): number | undefined {
    return this.earliest('held', this.options.emptyConfirmMs);
  }

  /** Monotonic ms at which `expire` will change something. */
  get expireAtMs(): number | undefined {
    return this.earliest('suspect', this.options.holdMs);
  }

  private earliest(phase: Missing['phase'], afterMs: number): number | undefined {
    let atMs: number | undefined;
    for (const entry of this.missing.values()) {
      if (entry.phase === phase && (atMs === undefined || entry.sinceMs + afterMs < atMs))
        atMs = entry.sinceMs + afterMs;
    }
    return atMs;
  }

  private forgetOld(nowMs: number): void {
    for (const [id, entry] of this.missing) {
      if (entry.phase === 'dropped' && nowMs - entry.sinceMs >= this.options.emptyConfirmMs) this.missing.delete(id);
    }
  }

  private hold(lost: ReadonlySet<string>, survivors: number, nowMs: number): boolean {
    if (lost.size === 0) return false;
    let losses = 0;
    for (const entry of this.missing.values()) if (entry.phase !== 'suspect') losses++;
    // Newcomers do not count: a list of strangers has lost all that was known.
    if (survivors > 0 && losses / (survivors + losses) <= this.options.shrinkRatio) return false;
    for (const [id, entry] of this.missing) {
      if (entry.phase !== 'dropped') continue;
      // Those of this very list go on as before until confirmed; those that left just before it come back as suspects,
      // since traffic has turned away from them already.
      this.missing.set(id, { ...entry, phase: lost.has(id) ? 'held' : 'suspect', sinceMs: nowMs });
    }
    return true;
  }
}
