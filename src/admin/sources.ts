// What the admin listener shows and sets in motion: the composition root implements these two, nothing else of the sidecar is seen here.
import type { RequestQuestion } from '../runtime/explain.ts';
import type { LogLevel } from '../telemetry/logger.ts';

/** Whether this sidecar should be given work, and why not. */
export interface Readiness {
  /** `degraded` is ready: from held lists, while the registry cannot be heard. */
  readonly status: 'ready' | 'degraded' | 'not-ready' | 'draining';
  /** Why it is so, for people; at least one. */
  readonly reasons: readonly string[];
  /** Where the process is between start and exit: `starting`, `serving`, `settling`, … */
  readonly phase: string;
}

/** The configuration that serves. */
export interface ConfigView {
  /** Effective, with secrets masked. */
  readonly masked: unknown;
  /** Changes with the configuration: an opaque text without quotes. */
  readonly etag: string;
  readonly generation: number;
}

/** Read at every request, answered at once; each value is turned into JSON as it is. */
export interface AdminSources {
  /** False once the process should be ended by its platform. */
  isLive(): boolean;
  /** Are all listeners bound? */
  isStarted(): boolean;
  readiness(): Readiness;
  config(): ConfigView;
  upstreams(): unknown;
  registration(): unknown;
  registry(): unknown;
  /** What would become of a request on the outbound listener now. Changes nothing. */
  explain(question: RequestQuestion): object;
  /** The last so many decisions, the newest first. */
  decisions(last: number): unknown;
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
}

/** What an operator can do. Each returns at once; what it began goes on and shows in `readiness()`. */
export interface AdminControls {
  /** Deregisters and is not ready, goes on serving. */
  drain(): void;
  undrain(): void;
  /** Drains and ends the process, as SIGTERM does. */
  quit(): void;
  /** Returns the level that was set before. */
  setLogLevel(level: LogLevel): LogLevel;
}
