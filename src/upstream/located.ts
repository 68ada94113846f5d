// Adds to a codec's error what only the attempt knows.
import { ProxyError } from '../errors.ts';

/** A codec that saw half an answer knows neither whom it talked to nor that the request was sent: it was. */
export function located(error: ProxyError, endpoint: string): ProxyError {
  const { code, message, cause, requestSent } = error;
  if (requestSent !== undefined || (code !== 'PF_UPSTREAM_PROTOCOL' && code !== 'PF_UPSTREAM_CLOSED')) return error;
  return new ProxyError(code, message, { cause, requestSent: true, endpoint });
}
