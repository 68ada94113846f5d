// Messages through a running sidecar: what reaches its app has to be the same to us and to Node, and it has to live on.
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { cut, readRequests } from '../unit/http1/reading.ts';
import type { Findings } from './findings.ts';
import { cuts, train } from './generate.ts';
import type { Random } from './random.ts';
import { FuzzedSidecar } from './sidecar.ts';

const CLIENTS = 32;
/** More than the sidecar waits for content. */
const HANG_MS = 10_000;
/** A connection to the upstream is judged when so much has come on it, or when it is closed. */
const JUDGED_BYTES = 262_144;

/** What came on one connection of the upstream. */
interface Record {
  raw: Buffer[];
  bytes: number;
  /** As Node understood it: method, target and content. */
  messages: string[];
  /** Requests that Node has begun and not ended. */
  open: number;
  isJudged: boolean;
}

/** Runs for `seconds`. @returns how many messages the sidecar has answered or refused. */
export async function fuzzThroughSockets(random: Random, seconds: number, findings: Findings): Promise<number> {
  const records = new Map<Socket, Record>();
  const upstream = makeUpstream(records, findings);
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const port = (upstream.address() as AddressInfo).port;
  const sidecar = new FuzzedSidecar(port);
  await sidecar.ready();
  const untilMs = performance.now() + seconds * 1_000;
  const client = async (): Promise<void> => {
    while (performance.now() < untilMs) {
      const bytes = Buffer.from(train(random), 'latin1');
      const isDone = await send(sidecar.port, cut(bytes, cuts(bytes.length, random)));
      if (!isDone) findings.add('request', bytes, 'the sidecar neither answers nor closes');
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  const judged = await sidecar.judged();
  await sidecar.stop();
  for (const record of records.values()) judge(record, findings);
  for (const complaint of sidecar.complaints) findings.tell(complaint);
  upstream.closeAllConnections();
  upstream.close();
  return judged;
}

/** Sends the pieces, each in a write of its own, and FIN. @returns false where the connection is not closed in time. */
function send(port: number, pieces: readonly Buffer[]): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    const timer = setTimeout(() => {
      resolve(false);
      socket.destroy();
    }, HANG_MS);
    socket.on('data', () => undefined);
    socket.on('error', () => undefined);
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(true);
    });
    const next = (index: number): void => {
      const piece = pieces[index];
      if (piece === undefined || socket.destroyed) socket.end();
      else socket.write(piece, () => (index < 8 ? setImmediate(next, index + 1) : next(index + 1)));
    };
    socket.on('connect', () => next(0));
  });
}

function makeUpstream(records: Map<Socket, Record>, findings: Findings): Server {
  const server = createServer({ maxHeaderSize: 131_072, keepAliveTimeout: 0 }, (incoming, outgoing) => {
    const record = records.get(incoming.socket);
    let content = '';
    if (record !== undefined) record.open++;
    incoming.on('data', (chunk: Buffer) => (content += chunk.toString('latin1')));
    incoming.on('error', () => undefined);
    incoming.on('end', () => {
      record?.messages.push(`${incoming.method ?? ''} ${incoming.url ?? ''} ${content}`);
      outgoing.end('ok');
      if (record === undefined) return;
      record.open--;
      if (record.bytes > JUDGED_BYTES) judge(record, findings);
    });
  });
  server.on('connection', (socket: Socket) => {
    const record: Record = { raw: [], bytes: 0, messages: [], open: 0, isJudged: false };
    records.set(socket, record);
    socket.prependListener('data', (chunk: Buffer) => {
      record.raw.push(chunk);
      record.bytes += chunk.length;
    });
    socket.on('close', () => {
      judge(record, findings);
      records.delete(socket);
    });
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const record = records.get(socket);
    // Node knows a fixed list of methods; what broke off (EOF) was broken off by us.
    const isExpected = error.code === 'HPE_INVALID_METHOD' || error.code === 'HPE_INVALID_EOF_STATE';
    if (record !== undefined && error.code?.startsWith('HPE_') === true && !isExpected)
      findings.add('request', Buffer.concat(record.raw), `the upstream refuses what it got: ${error.code}`);
    socket.destroy();
  });
  return server;
}

/** Compares what Node understood with what we do, then forgets both. */
function judge(record: Record, findings: Findings): void {
  if (record.bytes === 0) return;
  const bytes = Buffer.concat(record.raw);
  const ours = readRequests([bytes]);
  const messages = ours.messages.map(({ start, content }) => {
    const [method = '', , target = ''] = start.split(' ');
    return `${method} ${target} ${content}`;
  });
  if (ours.error !== undefined)
    findings.add('request', bytes, `what reached the upstream is no request: ${ours.error}`);
  const isSame = messages.every((message, index) => record.messages[index] === message);
  // The last one may have been whole for us and cut off for Node by a reset.
  if (!isSame && messages.slice(0, record.messages.length).some((message, index) => message !== record.messages[index]))
    findings.add('request', bytes, 'the upstream understood something else');
  record.raw = [];
  record.bytes = 0;
  record.messages = [];
}
