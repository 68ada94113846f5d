// POST: what an operator sets in motion. Each answers at once; `/readyz` shows how it goes on.
import { isLogLevel, LOG_LEVELS } from '../telemetry/logger.ts';
import { json, problem, type Reply } from './reply.ts';
import type { AdminControls, AdminSources } from './sources.ts';

/** A request, as far as an action is concerned with it. */
export interface ActionRequest {
  readonly query: URLSearchParams;
  /** Whole, at most `MAX_BODY_BYTES` long. */
  readonly body: string;
}

/** Does one thing and says what came of it. */
export type Action = (controls: AdminControls, sources: AdminSources, request: ActionRequest) => Reply;

/** Deregister, not ready, go on serving. */
export const drain: Action = (controls, sources) => {
  controls.drain();
  return accepted(sources);
};

/** Take part again. */
export const undrain: Action = (controls, sources) => {
  controls.undrain();
  return accepted(sources);
};

/** As SIGTERM. */
export const quit: Action = (controls, sources) => {
  controls.quit();
  return accepted(sources);
};

/** `{"level":"debug"}` or `?level=debug`; 422 for anything that is no level. */
export const logLevel: Action = (controls, _sources, { query, body }) => {
  const level: unknown = query.get('level') ?? levelIn(body);
  if (!isLogLevel(level)) {
    return problem(422, 'Unknown level', `"level" must be one of ${LOG_LEVELS.join(', ')}`);
  }
  return json(200, { old: controls.setLogLevel(level), new: level });
};

function accepted(sources: AdminSources): Reply {
  const { status, phase, reasons } = sources.readiness();
  return json(202, { status, phase, reasons });
}

function levelIn(body: string): unknown {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null && 'level' in value ? value.level : undefined;
  } catch {
    return undefined;
  }
}
