// What grpc-js and etcd3 throw → RegistryError: the kind decides what the core does, the message is for people.
import { asRegistryError, RegistryError, type RegistryErrorKind } from '../../src/registry/types.ts';

/** Longest part of a server's own words that is passed on. */
const MAX_DETAILS = 200;

/** gRPC status codes (https://grpc.github.io/grpc/core/md_doc_statuscodes.html) as what they mean for us. */
const KIND_OF_CODE: Readonly<Record<number, RegistryErrorKind>> = {
  1: 'aborted',
  3: 'invalid',
  4: 'timeout',
  5: 'protocol',
  7: 'forbidden',
  9: 'protocol',
  11: 'protocol',
  12: 'unsupported',
  16: 'unauthenticated',
};

/** Words of etcd that mean more than the code beside them. */
const KIND_OF_WORDS: readonly (readonly [RegExp, RegistryErrorKind])[] = [
  [/permission denied/, 'forbidden'],
  // A user or password that is wrong or not given at all; a token that was forgotten or is older than the last change of rights.
  [/authentication failed|invalid auth token|user name is empty|auth store is old/, 'unauthenticated'],
];

/** The error as the core knows it. `where` says what was tried, without keys of others or credentials. */
export function etcdError(thrown: unknown, where: string): RegistryError {
  if (thrown instanceof RegistryError) return thrown;
  if (!(thrown instanceof Error)) return asRegistryError(thrown, where);
  // etcd3 makes classes of status codes and drops the code itself, but its text begins with it.
  const [, code, said] = /^(?:\w+: )?(\d{1,2}) [A-Z_]+: (.*)$/s.exec(thrown.message) ?? [];
  if (said === undefined)
    return new RegistryError('unavailable', `${where}: ${cut(thrown.message)}`, { cause: thrown });
  const details = cut(said.replace(/^No connection established\. Last error: (?:Error: )?/, ''));
  const kind = kindOfWords(details) ?? KIND_OF_CODE[Number(code)] ?? 'unavailable';
  return new RegistryError(kind, `${where}: ${details}`); // What was thrown says nothing more: it is no cause.
}

/** The kind that etcd's own words tell, as they also stand in `cancel_reason`; undefined where they tell none. */
export function kindOfWords(text: string): RegistryErrorKind | undefined {
  return KIND_OF_WORDS.find(([words]) => words.test(text))?.[1];
}

/** Does etcd say that there is no such lease? */
export function isLeaseGone(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.message.includes('requested lease not found');
}

/** Does etcd say that it keeps no users? Then a user and password are not needed, and not wrong. */
export function isAuthDisabled(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.message.includes('authentication is not enabled');
}

function cut(details: string): string {
  return details.replace(/[.\s]*Resolution note:\s*$/, '').slice(0, MAX_DETAILS);
}
