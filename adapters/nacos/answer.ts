// What an answer over gRPC means: its fields, or why there are none.
import { status, type ServiceError } from '@grpc/grpc-js';
import { RegistryError, type RegistryErrorKind } from '../../src/registry/types.ts';

/** The JSON of a message, not yet looked at. */
export type Fields = Readonly<Record<string, unknown>>;

/** The fields of a message's JSON. Throws RegistryError `protocol` for what is no object; it is not repeated. */
export function parseFields(text: string): Fields {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  } catch {
    // Told below; the parser's message would repeat what it could not read.
  }
  throw new RegistryError('protocol', 'nacos: a message that is no JSON object');
}

/** What an answer says went wrong; undefined where it went well. */
export function failureOf(type: string, answer: Fields): RegistryError | undefined {
  if (answer['resultCode'] === 200) return undefined;
  const code = typeof answer['errorCode'] === 'number' ? answer['errorCode'] : 0;
  if (code === 403 || code === 401) return new RegistryError('forbidden', `nacos: ${type}: no rights (${code})`);
  if (code === 300) return new RegistryError('unavailable', 'nacos: the server is starting');
  if (code === 301) return new RegistryError('unavailable', 'nacos: the server does not know the connection');
  const text = typeof answer['message'] === 'string' ? answer['message'].slice(0, 200) : '';
  const kind: RegistryErrorKind = code === 400 ? 'invalid' : 'unavailable';
  return new RegistryError(kind, `nacos: ${type}: error ${code}: ${text}`);
}

/** A failure of the transport. */
export function errorOf(error: ServiceError | null, where: string): RegistryError {
  const code = error?.code ?? status.UNKNOWN;
  const kind: RegistryErrorKind =
    code === status.DEADLINE_EXCEEDED
      ? 'timeout'
      : code === status.UNIMPLEMENTED
        ? 'unsupported'
        : code === status.CANCELLED
          ? 'aborted'
          : code === status.PERMISSION_DENIED || code === status.UNAUTHENTICATED
            ? 'forbidden'
            : 'unavailable';
  return new RegistryError(kind, `nacos: ${where}: ${status[code]}`, { cause: error ?? undefined });
}
