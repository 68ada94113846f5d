// The effective configuration as the admin endpoint `/config` shows it: plain JSON, with nothing secret in it.
import type { Config } from './config.ts';
import { isSecretName } from './problem.ts';

/** What stands where something secret is set. */
export const MASK = '***';

/** JSON values only. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/**
 * A copy of the configuration for people: Maps as objects, what is not set left out, values whose name says that they are
 * secret (passwords, tokens, keys; also in the metadata of a record) replaced by `***`. Never fails.
 */
export function maskedConfig(config: Config): Json {
  return plain(config);
}

function plain(value: unknown): Json {
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return null;
  const entries = value instanceof Map ? [...(value as Map<string, unknown>)] : Object.entries(value);
  return Object.fromEntries(
    entries
      .filter(([, inner]) => inner !== undefined)
      .map(([key, inner]) => [key, isSecretName(key) && typeof inner !== 'object' ? MASK : plain(inner)]),
  );
}
