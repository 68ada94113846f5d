// Sketch: the lower bound. A codec by hand on both sides of the proxy over node:net, and nothing else: no validation,
// no policy, no retry, no metrics; bodies by Content-Length only. It must never be used for anything but the bench.
// node sketch-handcodec.mjs PORT BACKEND_PORT,…
import { connect, createServer } from 'node:net';

const [port, backends = ''] = process.argv.slice(2);
process.once('SIGTERM', () => process.exit(0)); // a profile is written at an exit of one's own

/** @type {{ port: number, idle: Upstream[], busy: number }[]} */
const endpoints = backends.split(',').map((one) => ({ port: Number(one), idle: [], busy: 0 }));

/** Reads messages off one socket: heads by searching for the blank line, bodies by their announced length. */
class Reader {
  /** @type {Buffer | undefined} */ held = undefined;
  bodyLeft = 0;

  /** @param {Buffer} chunk @param {(head: string) => void} onHead @param {(bytes: Buffer, last: boolean) => void} onBody */
  feed(chunk, onHead, onBody) {
    let bytes = this.held === undefined ? chunk : Buffer.concat([this.held, chunk]);
    this.held = undefined;
    while (bytes.length > 0) {
      if (this.bodyLeft > 0) {
        const part = bytes.length > this.bodyLeft ? bytes.subarray(0, this.bodyLeft) : bytes;
        this.bodyLeft -= part.length;
        bytes = bytes.subarray(part.length);
        onBody(part, this.bodyLeft === 0);
        continue;
      }
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) {
        this.held = bytes;
        return;
      }
      const head = bytes.toString('latin1', 0, end + 2);
      bytes = bytes.subarray(end + 4);
      this.bodyLeft = contentLength(head);
      onHead(head);
      if (this.bodyLeft === 0) onBody(NOTHING, true);
    }
  }
}

const NOTHING = Buffer.alloc(0);

/** A connection to a backend; serves one client at a time. */
class Upstream {
  reader = new Reader();
  /** @type {Client | undefined} */ client = undefined;
  pending = '';

  /** @param {typeof endpoints[number]} endpoint */
  constructor(endpoint) {
    this.endpoint = endpoint;
    this.socket = connect({ port: endpoint.port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (chunk) => this.reader.feed(chunk, this.onHead, this.onBody));
    this.socket.on('drain', () => this.client?.socket.resume());
    this.socket.on('error', () => this.socket.destroy());
    this.socket.on('close', () => {
      this.client?.socket.destroy();
      const at = endpoint.idle.indexOf(this);
      if (at >= 0) endpoint.idle.splice(at, 1);
    });
  }

  onHead = (/** @type {string} */ head) => {
    this.pending = endToEnd(head) + '\r\n';
  };

  onBody = (/** @type {Buffer} */ bytes, /** @type {boolean} */ last) => {
    const client = this.client;
    if (client === undefined) return;
    if (this.pending !== '' && bytes.length < 16_384) {
      client.socket.write(this.pending + bytes.toString('latin1'), 'latin1');
    } else {
      if (this.pending !== '') client.socket.write(this.pending, 'latin1');
      if (!client.socket.write(bytes)) this.socket.pause();
    }
    this.pending = '';
    if (!last) return;
    this.client = undefined;
    client.upstream = undefined;
    this.endpoint.busy--;
    this.endpoint.idle.push(this);
  };
}

/** A connection of the app. */
class Client {
  reader = new Reader();
  /** @type {Upstream | undefined} */ upstream = undefined;
  pending = '';

  /** @param {import('node:net').Socket} socket */
  constructor(socket) {
    this.socket = socket;
    socket.on('data', (chunk) => this.reader.feed(chunk, this.onHead, this.onBody));
    socket.on('drain', () => this.upstream?.socket.resume());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.upstream?.socket.destroy());
  }

  onHead = (/** @type {string} */ head) => {
    const endpoint = pick();
    this.upstream = endpoint.idle.pop() ?? new Upstream(endpoint);
    this.upstream.client = this;
    endpoint.busy++;
    this.pending = endToEnd(head) + '\r\n';
  };

  onBody = (/** @type {Buffer} */ bytes) => {
    const upstream = this.upstream;
    if (upstream === undefined) return;
    if (this.pending !== '') upstream.socket.write(this.pending, 'latin1');
    this.pending = '';
    if (bytes.length > 0 && !upstream.socket.write(bytes)) this.socket.pause();
  };
}

createServer({ noDelay: true }, (socket) => {
  new Client(socket);
}).listen(Number(port), '127.0.0.1', 4_096);

/** The less busy of two. */
function pick() {
  const one = endpoints[Math.floor(Math.random() * endpoints.length)];
  const other = endpoints[Math.floor(Math.random() * endpoints.length)];
  return other.busy < one.busy ? other : one;
}

/** @param {string} head */
function contentLength(head) {
  const at = field(head, 'content-length');
  return at < 0 ? 0 : Number.parseInt(head.slice(at), 10);
}

/** The head without the fields of one hop. @param {string} head */
function endToEnd(head) {
  let from = head.indexOf('\r\n') + 2;
  let kept = head.slice(0, from);
  while (from < head.length) {
    const end = head.indexOf('\r\n', from) + 2;
    const code = head.charCodeAt(from) | 0x20;
    const hop = (code === 0x63 || code === 0x6b) && /^(connection|keep-alive):/i.test(head.slice(from, from + 11));
    if (!hop) kept += head.slice(from, end);
    from = end;
  }
  return kept;
}

/** Where the value of a field begins, or -1. @param {string} head @param {string} name */
function field(head, name) {
  let line = head.indexOf('\r\n') + 2;
  while (line < head.length) {
    const end = head.indexOf('\r\n', line);
    if (head.charCodeAt(line + name.length) === 0x3a && head.slice(line, line + name.length).toLowerCase() === name) {
      return line + name.length + 1;
    }
    line = end + 2;
  }
  return -1;
}
