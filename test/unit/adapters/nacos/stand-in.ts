// A stand-in for Nacos that speaks the frames of REGISTRIES §6, for what no real server here can be made to show: other
// versions' set-up, a server that is starting, forgets, moves its clients, or refuses a token.
import { readFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server as HttpServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Server, ServerCredentials, type ServerDuplexStream, type ServerUnaryCall } from '@grpc/grpc-js';
import type { sendUnaryData } from '@grpc/grpc-js';
import { decodePayload, encodePayload } from '../../../../adapters/nacos/wire.ts';
import type { ServerTls } from '../../../support/servers/own-server.ts';

export type Json = Record<string, unknown>;

/** What the stand-in does; every field may be changed at any time. */
export interface Behaviour {
  /** 2.3 and later: tells when it has set up a connection. Before, it answers 301 until then. */
  negotiates: boolean;
  /** Answers 300 to everything. */
  isStarting: boolean;
  /** Answers 301 to everything but checks of new connections. */
  hasForgotten: boolean;
  /** Tokens that are good; empty: none is asked for. */
  readonly tokens: Set<string>;
  /** Answers no calls. */
  isDeaf: boolean;
  /** Types of calls that it takes and does not answer until `answerLate`. */
  readonly swallows: Set<string>;
  /** Says that it protects, and calls everybody healthy. */
  isProtecting: boolean;
  /** Which login path there is. */
  loginPath: string;
}

interface Peer {
  readonly id: string;
  stream: ServerDuplexStream<Buffer, Buffer> | undefined;
  readonly published: Map<string, Json[]>;
  readonly subscribed: Set<string>;
}

const same = (bytes: Buffer): Buffer => bytes;
const path = (name: string, requestStream: boolean) => ({
  path: name,
  requestStream,
  responseStream: requestStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});

export class NacosStandIn {
  readonly behaviour: Behaviour = {
    negotiates: true,
    isStarting: false,
    hasForgotten: false,
    tokens: new Set(),
    isDeaf: false,
    swallows: new Set(),
    isProtecting: false,
    loginPath: '/nacos/v1/auth/login',
  };
  /** Every request so far, but checks: type and fields. */
  readonly requests: { readonly type: string; readonly fields: Json; readonly peer: string }[] = [];
  readonly answersFromClients: string[] = [];
  logins = 0;
  httpPort = 0;
  grpcPort = 0;
  private readonly peers = new Map<string, Peer>();
  private readonly late: (() => void)[] = [];
  private readonly planted = new Map<string, Json[]>();
  private grpc: Server | undefined;
  private http: HttpServer | undefined;
  private refTime = 1_000;

  /** @param tls of both ports */
  async start(tls?: ServerTls): Promise<void> {
    const grpc = new Server({ 'grpc.max_receive_message_length': -1 });
    grpc.addService({ request: path('/Request/request', false) }, { request: this.answer });
    grpc.addService({ stream: path('/BiRequestStream/requestBiStream', true) }, { stream: this.connect });
    this.grpcPort = await new Promise<number>((resolve, reject) => {
      grpc.bindAsync(`127.0.0.1:${this.grpcPort}`, credentialsOf(tls), (error, port) => {
        if (error === null) resolve(port);
        else reject(error);
      });
    });
    this.grpc = grpc;
    if (this.http !== undefined) return;
    const logIn: RequestListener = (request, response) => {
      request.resume();
      if (request.url !== this.behaviour.loginPath) {
        response.writeHead(404).end();
        return;
      }
      this.logins++;
      const token = `token-${this.logins}`;
      this.behaviour.tokens.add(token);
      response.end(JSON.stringify({ accessToken: token, tokenTtl: 18_000 }));
    };
    this.http = tls === undefined ? createServer(logIn) : createTlsServer(httpsOptionsOf(tls), logIn);
    await new Promise<void>((resolve) => this.http?.listen(0, '127.0.0.1', resolve));
    this.httpPort = (this.http.address() as AddressInfo).port;
  }

  /** As a killed process: everybody's connection is cut, and nothing is remembered. */
  stop(): void {
    this.grpc?.forceShutdown();
    this.grpc = undefined;
    this.peers.clear();
    this.planted.clear();
  }

  async close(): Promise<void> {
    this.stop();
    this.http?.closeAllConnections();
    await new Promise((resolve) => this.http?.close(resolve));
  }

  /** Others' records of one service, as `group@@service`. */
  plant(name: string, hosts: Json[]): void {
    this.planted.set(name, hosts);
    this.push(name);
  }

  /** Answers what was swallowed. */
  answerLate(): void {
    for (const send of this.late.splice(0)) send();
  }

  /** Connections that are set up. */
  get connections(): string[] {
    return [...this.peers.values()].filter((peer) => peer.stream !== undefined).map((peer) => peer.id);
  }

  /** Sends a request to every client, or to those on one connection. */
  tell(type: string, fields: Json, only?: string): void {
    for (const peer of this.peers.values()) {
      if (only === undefined || peer.id === only)
        peer.stream?.write(encodePayload({ type, body: JSON.stringify(fields) }));
    }
  }

  /** What is registered under a name, with the connection that holds it. */
  registered(name: string): { readonly ip: unknown; readonly port: unknown; readonly peer: string }[] {
    return [...this.peers.values()].flatMap((peer) =>
      (peer.published.get(name) ?? []).map(({ ip, port }) => ({ ip, port, peer: peer.id })),
    );
  }

  /** The list as the server tells it. */
  info(name: string): Json {
    const [groupName, service] = name.split('@@');
    const hosts = [...this.peers.values()].flatMap((peer) => peer.published.get(name) ?? []);
    return {
      name: service,
      groupName,
      clusters: '',
      hosts: [...hosts, ...(this.planted.get(name) ?? [])],
      lastRefTime: ++this.refTime,
      checksum: '',
      allIps: false, // As 3.x spells it.
      reachProtectionThreshold: this.behaviour.isProtecting,
    };
  }

  push(name: string): void {
    for (const peer of this.peers.values()) {
      if (!peer.subscribed.has(name)) continue;
      const body = { requestId: 'p', serviceInfo: this.info(name) };
      peer.stream?.write(encodePayload({ type: 'NotifySubscriberRequest', body: JSON.stringify(body) }));
    }
  }

  private readonly answer = (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>): void => {
    const { type, body } = decodePayload(call.request);
    if (this.behaviour.isDeaf) return;
    const id = call.getPeer();
    const fields = this.handle(type, JSON.parse(body) as Json, id, call.request.toString('latin1'));
    const send = (): void => reply(null, encodePayload({ type: 'Response', body: JSON.stringify(fields) }));
    if (this.behaviour.swallows.has(type)) this.late.push(send);
    else send();
  };

  private handle(type: string, fields: Json, id: string, raw: string): Json {
    const failed = (errorCode: number): Json => ({ resultCode: 500, errorCode, message: 'no' });
    if (this.behaviour.isStarting) return failed(300);
    if (type === 'ServerCheckRequest') {
      return { resultCode: 200, connectionId: id, supportAbilityNegotiation: this.behaviour.negotiates };
    }
    const peer = this.peers.get(id);
    if (peer === undefined || this.behaviour.hasForgotten) return failed(301);
    if (type === 'HealthCheckRequest') return { resultCode: 200 };
    this.requests.push({ type, fields, peer: id });
    const { tokens } = this.behaviour;
    if (tokens.size > 0 && ![...tokens].some((token) => raw.includes(token))) return failed(403);
    const name = `${String(fields['groupName'])}@@${String(fields['serviceName'])}`;
    if (type === 'InstanceRequest' || type === 'BatchInstanceRequest') {
      const isLeaving = fields['type'] === 'deregisterInstance';
      const one = [fields['instance'] as Json];
      if (fields['instances'] === undefined && fields['instance'] === undefined) return failed(500);
      peer.published.set(name, isLeaving ? [] : ((fields['instances'] as Json[] | undefined) ?? one));
      this.push(name);
    }
    if (type === 'SubscribeServiceRequest') {
      if (fields['subscribe'] === true) peer.subscribed.add(name);
      else peer.subscribed.delete(name);
    }
    if (type === 'ServiceListRequest')
      return { resultCode: 200, count: 1, serviceNames: ['DEFAULT_GROUP@@orders', 'b'] };
    return { resultCode: 200, serviceInfo: this.info(name) };
  }

  private readonly connect = (stream: ServerDuplexStream<Buffer, Buffer>): void => {
    const id = stream.getPeer();
    const peer: Peer = { id, stream: undefined, published: new Map(), subscribed: new Set() };
    stream.on('data', (bytes: Buffer) => {
      const { type, body } = decodePayload(bytes);
      if (type !== 'ConnectionSetupRequest') {
        this.answersFromClients.push(type);
        return;
      }
      peer.stream = stream;
      this.peers.set(id, peer);
      const { tenant } = JSON.parse(body) as Json;
      this.requests.push({ type, fields: { tenant }, peer: id });
      if (this.behaviour.negotiates) {
        stream.write(encodePayload({ type: 'SetupAckRequest', body: '{"requestId":"1","abilityTable":{}}' }));
      }
    });
    const end = (): void => {
      this.peers.delete(id);
      for (const name of peer.published.keys()) this.push(name);
    };
    stream.on('cancelled', end);
    stream.on('end', () => {
      end();
      stream.end();
    });
    stream.on('error', end);
  };
}

function credentialsOf(tls: ServerTls | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const pair = { private_key: readFileSync(tls.key), cert_chain: readFileSync(tls.cert) };
  return ServerCredentials.createSsl(readFileSync(tls.ca), [pair], tls.verifiesClients);
}

function httpsOptionsOf({ ca, cert, key, verifiesClients }: ServerTls): object {
  const pem = { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key) };
  return { ...pem, requestCert: verifiesClients, rejectUnauthorized: verifiesClients };
}
