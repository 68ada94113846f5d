// A TCP proxy between us and a real server that does what networks do: delay, throttle, cut, half-close, swallow, reset.
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What happens to connections, present and future; every field may be changed at any time. */
export interface Faults {
  /** Everything that the server says comes so much later, in ms. */
  answerDelayMs: number;
  /** Everything that the client says arrives so much later, in ms. */
  requestDelayMs: number;
  /** Bytes a second from the server, in all connections together. */
  answerBytesPerSecond: number;
  /** Bytes from the server after which a connection is cut, counted for each connection from now on. */
  cutAfterAnswerBytes: number;
  /** Nothing comes through and nothing is closed: a partition without FIN. New connections are taken and not answered. */
  isBlackHole: boolean;
  /** New connections are reset. */
  isRefusing: boolean;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  answerBytes: number;
}

const NO_FAULTS: Faults = {
  answerDelayMs: 0,
  requestDelayMs: 0,
  answerBytesPerSecond: Infinity,
  cutAfterAnswerBytes: Infinity,
  isBlackHole: false,
  isRefusing: false,
};

/** Slices of a second in which throttled bytes are let through. */
const THROTTLE_SLICE_MS = 50;

/** Listens on a free port of 127.0.0.1 from `start()` to `close()`. */
export class FaultProxy {
  readonly faults: Faults = { ...NO_FAULTS };
  /** Connections taken so far. */
  accepted = 0;
  /** Bytes from the server so far, in all connections together. */
  answerBytes = 0;
  /** Everything that came from clients while `isRecording`, as it went over the wire. */
  readonly recorded: Buffer[] = [];
  isRecording = false;
  private readonly links = new Set<Link>();
  private readonly server: Server;
  private target: { host: string; port: number };
  private throttledUntilMs = 0;

  constructor(target: { readonly host: string; readonly port: number }) {
    this.target = { ...target };
    this.server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => this.accept(client));
  }

  static async start(target: { readonly host: string; readonly port: number }): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    await new Promise<void>((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** `127.0.0.1:port`. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Open connections. */
  get open(): number {
    return this.links.size;
  }

  /** Where new connections lead from now on. */
  redirect(target: { readonly host: string; readonly port: number }): void {
    this.target = { ...target };
  }

  /** Ends all faults. What a black hole has swallowed is delivered then, as a network would by retransmission. */
  heal(): void {
    Object.assign(this.faults, NO_FAULTS);
    for (const link of this.links) {
      link.client.resume();
      link.server.resume();
    }
  }

  /** Swallows everything from now on; what flows already stops. */
  blackHole(): void {
    this.faults.isBlackHole = true;
    for (const link of this.links) {
      link.client.pause();
      link.server.pause();
    }
  }

  /** Resets all connections (RST, both ways). */
  reset(): void {
    for (const { client, server } of this.links) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  /** Ends all connections in order (FIN, both ways). */
  cut(): void {
    for (const { client, server } of this.links) {
      client.destroySoon();
      server.destroySoon();
    }
  }

  /** Tells clients that nothing more comes (FIN), and goes on taking what they send. */
  halfClose(): void {
    for (const { client } of this.links) client.end();
  }

  /** Writes bytes to all clients as if the server had sent them. */
  inject(bytes: Buffer): void {
    for (const { client } of this.links) client.write(bytes);
  }

  async close(): Promise<void> {
    this.reset();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private accept(client: Socket): void {
    this.accepted++;
    client.on('error', () => undefined);
    if (this.faults.isRefusing) {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ ...this.target, allowHalfOpen: true });
    const link: Link = { client, server, answerBytes: 0 };
    this.links.add(link);
    server.on('error', () => client.resetAndDestroy());
    client.on('close', () => {
      this.links.delete(link);
      server.destroy();
    });
    server.on('close', () => client.destroySoon());
    this.pump(
      client,
      server,
      () => this.faults.requestDelayMs,
      (chunk) => this.passRequest(chunk),
    );
    this.pump(
      server,
      client,
      () => this.faults.answerDelayMs,
      (chunk) => this.passAnswer(link, chunk),
    );
    if (this.faults.isBlackHole) server.pause();
    else client.resume();
  }

  /** Passes on in order, late by what is set when the bytes come. */
  private pump(from: Socket, to: Socket, delayMs: () => number, waitMs: (chunk: Buffer) => number): void {
    let queue = Promise.resolve();
    const later = (ms: number, act: () => void): void => {
      const due = performance.now() + ms;
      queue = queue.then(async () => {
        const leftMs = due - performance.now();
        if (leftMs > 0) await new Promise((resolve) => setTimeout(resolve, leftMs).unref());
        act();
      });
    };
    from.on('data', (chunk: Buffer) => {
      const extraMs = waitMs(chunk);
      if (extraMs > 0) {
        // Takes no more than passes: what is delayed besides is under way, and keeps nobody from sending on.
        from.pause();
        setTimeout(() => {
          if (!this.faults.isBlackHole) from.resume();
        }, extraMs).unref();
      }
      later(delayMs() + extraMs, () => {
        if (!to.destroyed) to.write(chunk);
      });
    });
    from.on('end', () => later(delayMs(), () => void to.end()));
  }

  private passRequest(chunk: Buffer): number {
    if (this.isRecording) this.recorded.push(chunk);
    return 0;
  }

  /** How much longer this chunk takes at the rate that is set, in ms. */
  private passAnswer(link: Link, chunk: Buffer): number {
    this.answerBytes += chunk.length;
    link.answerBytes += chunk.length;
    if (link.answerBytes > this.faults.cutAfterAnswerBytes) {
      link.client.resetAndDestroy();
      return 0;
    }
    const rate = this.faults.answerBytesPerSecond;
    if (!Number.isFinite(rate)) return 0;
    const nowMs = performance.now();
    this.throttledUntilMs = Math.max(nowMs, this.throttledUntilMs) + (chunk.length / rate) * 1_000;
    return Math.max(THROTTLE_SLICE_MS, this.throttledUntilMs - nowMs);
  }
}
