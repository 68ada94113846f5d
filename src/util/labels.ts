// Which endpoints of a service are meant: a part of it by metadata, as a route or an upstream asks for.

/** Wanted values; the label `zone` is the zone. */
export type Labels = Readonly<Record<string, string>>;

/** What labels are compared with; a `ServiceInstance` is one. */
export interface Labelled {
  readonly zone?: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The label that means the instance's zone. */
const ZONE = 'zone';

/** Has it all these labels? */
export function fits(labels: Labels, labelled: Labelled): boolean {
  for (const key of Object.keys(labels)) if (labelOf(labelled, key) !== labels[key]) return false;
  return true;
}

/** Value of one label; undefined where it has none. */
export function labelOf({ zone, metadata }: Labelled, key: string): string | undefined {
  if (key === ZONE && zone !== undefined) return zone;
  return Object.hasOwn(metadata, key) ? metadata[key] : undefined;
}

/** One part of a service. Made once, where it is configured: whoever asks for it asks with the same object. */
export class Subset {
  readonly labels: Labels;
  /** The same for equal labels, and what people read: `version=2.1.0, zone=eu-1a`. */
  readonly text: string;

  constructor(labels: Labels) {
    this.labels = labels;
    this.text = Object.keys(labels)
      .sort()
      .map((key) => `${key}=${labels[key] ?? ''}`)
      .join(', ');
  }

  has(labelled: Labelled): boolean {
    return fits(this.labels, labelled);
  }
}
