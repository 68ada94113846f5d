// A name server of memory: answers A, AAAA and SRV over UDP from a table, or fails as name servers do.
import { createSocket, type Socket } from 'node:dgram';

/** A record of the table. */
export type NameRecord =
  | { readonly type: 'A'; readonly address: string; readonly ttl?: number }
  | { readonly type: 'AAAA'; readonly address: readonly number[]; readonly ttl?: number }
  | {
      readonly type: 'SRV';
      readonly target: string;
      readonly port: number;
      readonly priority?: number;
      readonly weight?: number;
      readonly ttl?: number;
    };

const TYPES: Readonly<Record<NameRecord['type'], number>> = { A: 1, AAAA: 28, SRV: 33 };
const CODES = { ok: 0, servfail: 2, nxdomain: 3, notimp: 4, refused: 5 } as const;

export class NameServer {
  /** Names in lower case; a name that is not here does not exist. */
  readonly records = new Map<string, readonly NameRecord[]>();
  /** What every question gets: `silent` is no answer at all. */
  mode: 'ok' | 'servfail' | 'refused' | 'silent' = 'ok';
  /** `name type` of all questions. */
  readonly asked: string[] = [];
  private readonly socket: Socket;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('message', (question, from) => {
      const answer = this.answer(question);
      if (answer !== undefined) socket.send(answer, from.port, from.address);
    });
  }

  static async start(): Promise<NameServer> {
    const socket = createSocket('udp4');
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    return new NameServer(socket);
  }

  get address(): string {
    return `127.0.0.1:${this.socket.address().port}`;
  }

  close(): void {
    this.socket.close();
  }

  private answer(question: Buffer): Buffer | undefined {
    const labels: string[] = [];
    let at = 12;
    for (let length = question[at] ?? 0; length > 0; length = question[at] ?? 0) {
      labels.push(question.toString('latin1', at + 1, at + 1 + length));
      at += length + 1;
    }
    const type = question.readUInt16BE(at + 1);
    const name = labels.join('.').toLowerCase();
    this.asked.push(`${name} ${type}`);
    if (this.mode === 'silent') return undefined;
    const known = this.records.get(name);
    const code = this.mode !== 'ok' ? CODES[this.mode] : known === undefined ? CODES.nxdomain : CODES.ok;
    const answers = code === 0 ? (known ?? []).filter((record) => TYPES[record.type] === type).map(encode) : [];
    const header = Buffer.alloc(12);
    question.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8180 | code, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(answers.length, 6);
    return Buffer.concat([header, question.subarray(12, at + 5), ...answers]);
  }
}

function encode(record: NameRecord): Buffer {
  const data = dataOf(record);
  const head = Buffer.alloc(12);
  head.writeUInt16BE(0xc00c, 0); // The name of the question.
  head.writeUInt16BE(TYPES[record.type], 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(record.ttl ?? 60, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function dataOf(record: NameRecord): Buffer {
  switch (record.type) {
    case 'A':
      return Buffer.from(record.address.split('.').map(Number));
    case 'AAAA':
      return Buffer.from(record.address);
    case 'SRV': {
      const fixed = Buffer.alloc(6);
      fixed.writeUInt16BE(record.priority ?? 0, 0);
      fixed.writeUInt16BE(record.weight ?? 0, 2);
      fixed.writeUInt16BE(record.port, 4);
      const labels = record.target.split('.').filter((label) => label !== '');
      const name = labels.map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`, 'latin1'));
      return Buffer.concat([fixed, ...name, Buffer.from([0])]);
    }
  }
}
