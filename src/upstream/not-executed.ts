// What a called sidecar says of a request that its app never saw, and what follows for its endpoint.
import { CODES, isErrorCode, type ErrorCode } from '../errors.ts';
import { FIELD } from '../http/field.ts';
import type { ProxyResponse } from '../http/message.ts';
import type { EjectionCause } from './outlier.ts';

const ID_CODE = FIELD['x-pilotfish-code'];

/** Codes after which the endpoint is left out for a while. */
export const EJECTED_FOR: Readonly<Partial<Record<ErrorCode, EjectionCause>>> = {
  PF_MISDIRECTED: 'misdirected',
  PF_APP_DOWN: 'app-down',
  PF_DRAINING: 'draining',
};

/** The code by which a sidecar promises that its app never saw the request; only with the status that belongs to it. */
export function notExecuted(response: ProxyResponse): ErrorCode | undefined {
  const text = response.headers.getId(ID_CODE);
  if (text === undefined || !isErrorCode(text)) return undefined;
  const { notExecuted: isPromised, status } = CODES[text];
  return isPromised && status === response.status ? text : undefined;
}
