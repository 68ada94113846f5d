// Before an empty answer is believed: a read that we may not make looks exactly like a service without instances.
import { RegistryError } from '../../src/registry/types.ts';
import { fields } from './codec.ts';
import type { Connection, ConsulAnswer } from './connection.ts';

type Headers = ConsulAnswer['headers'];

/**
 * Rejects with `forbidden` or `unauthenticated` where our token does not show this service's instances; resolves where the
 * empty answer is the truth. Asks Consul to authorize our token (1.8 and later, where its own UI asks the same), and where
 * it cannot say, goes by the headers of the answer and by whether the token exists at all.
 * @param name of the service in Consul; empty for the catalog as a whole.
 */
export async function assertMayRead(
  connection: Connection,
  name: string,
  headers: Headers,
  signal: AbortSignal,
): Promise<void> {
  const what = name === '' ? 'the catalog' : `service ${name}`;
  if (headers['x-consul-results-filtered-by-acls'] === 'true') throw forbidden(what);
  const answer = await connection.request(
    {
      method: 'POST',
      path: '/v1/internal/acl/authorize',
      body: [
        { Resource: 'service', Access: 'read', Segment: name },
        { Resource: 'node', Access: 'read', Segment: '' },
      ],
      accepts: [400, 401, 404, 405],
    },
    signal,
  );
  if (answer.status === 401) return; // No access control here.
  const [service, node] = answer.status === 200 ? verdicts(answer.text) : [undefined, undefined];
  if (service === undefined) return assertTokenExists(connection, headers, what, signal);
  if (!service) throw forbidden(what);
  // Rules for some nodes only do not show in a question for all of them; seeing any node does.
  if (node === false && !(await seesNodes(connection, signal))) throw forbidden(`${what}: its nodes`);
}

async function assertTokenExists(
  connection: Connection,
  headers: Headers,
  what: string,
  signal: AbortSignal,
): Promise<void> {
  if (connection.token() === undefined) {
    if (headers['x-consul-default-acl-policy'] === 'deny') throw forbidden(what);
    return;
  }
  const path = '/v1/acl/token/self';
  await connection.request({ method: 'GET', path, accepts: [401, 404] }, signal); // 403: no such token.
}

async function seesNodes(connection: Connection, signal: AbortSignal): Promise<boolean> {
  const { text } = await connection.request({ method: 'GET', path: '/v1/catalog/nodes', isCatalog: true }, signal);
  return text.trim() !== '[]' && text.trim() !== 'null';
}

function verdicts(text: string): (boolean | undefined)[] {
  let answers: unknown;
  try {
    answers = JSON.parse(text);
  } catch {
    return [];
  }
  const list = Array.isArray(answers) ? (answers as unknown[]) : [];
  return list.map((answer) => fields(answer)['Allow']).map((allow) => (typeof allow === 'boolean' ? allow : undefined));
}

function forbidden(what: string): RegistryError {
  return new RegistryError('forbidden', `consul: the token does not show ${what}`);
}
