// The whole configuration file as one schema. Types (config.ts), defaults, JSON Schema and reference page come from it.
import { z } from 'zod';
import { http } from './http.ts';
import { admin, listeners } from './listeners.ts';
import { overload } from './overload.ts';
import { drain, log } from './process.ts';
import { registry } from './registry.ts';
import { service } from './service.ts';
import { upstreams } from './upstreams.ts';

/** `pilotfish.yaml`. Unknown keys are errors; every section may be left out. */
export const fileSchema = z.strictObject({
  service: service.optional(),
  registry: registry.prefault({}),
  listeners: listeners.prefault({}),
  admin: admin.prefault({}),
  http: http.prefault({}),
  upstreams,
  overload: overload.prefault({}),
  drain: drain.prefault({}),
  log: log.prefault({}),
});
